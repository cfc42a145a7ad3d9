from django.apps import AppConfig


class TestsAppConfig(AppConfig):
    name = "tests.app"
    label = "tests_app"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tests.app import cluster_workflows  # noqa: F401 - only a module named workflows is found by itself
