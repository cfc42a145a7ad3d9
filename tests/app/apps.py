from django.apps import AppConfig


class TestsAppConfig(AppConfig):
    name = "tests.app"
    label = "tests_app"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tests.app import api_workflows, chaos_workflows, cluster_workflows  # noqa: F401 - only `workflows` is found by itself
