"""Puts the app together when Django starts."""

from __future__ import annotations

import logging

from django.apps import AppConfig, apps
from django.db.models.signals import post_save, pre_delete
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _

logger = logging.getLogger("django_workflows")


class DjangoWorkflowsConfig(AppConfig):
    name = "django_workflows"
    label = "django_workflows"
    verbose_name = _("Workflows")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks  # noqa: F401 - registers itself
        from .conf import settings
        from .core.masking import follow
        from .core.registry import registry
        from .engine.instances import register_model_codec
        from .engine.logs import make_logs_safe
        from .engine.pools import limits_changed
        from .q2 import connect

        register_model_codec()
        make_logs_safe()
        follow(lambda: tuple(settings.MASKED_KEYS))
        post_save.connect(limits_changed, sender="django_workflows.Pool", dispatch_uid="django_workflows.pools")
        if apps.is_installed("django.contrib.admin"):
            self._keep_notes()
        connect()
        # A traceback through half an import would say less than the check does.
        with registry.noting_duplicates():
            autodiscover_modules("workflows")
            self._find_tasks()
        for name, places in registry.duplicates.items():
            # Web servers run no checks.
            logger.error("Two workflows are named %r, and neither can be used: %s", name, places)

    def _find_tasks(self) -> None:
        """Know all tasks of Django's Tasks, where a backend of them is ours."""
        from .core import definitions
        from .core.registry import registry
        from .tasks.context import task_context
        from .tasks.discovery import are_tasks_ours, find_task, import_tasks

        definitions.task_context = task_context
        registry.finders.append(find_task)
        if are_tasks_ours():
            import_tasks()

    def _keep_notes(self) -> None:
        from django.contrib.auth import get_user_model

        from .engine.audit import keep_notes_of

        user = get_user_model()
        # Who is deleted through a proxy model is so under its name.
        for model in apps.get_models():
            if model._meta.concrete_model is user:
                pre_delete.connect(keep_notes_of, sender=model, dispatch_uid=f"django_workflows.notes.{model.__name__}")
