"""Puts the app together when Django starts."""

from __future__ import annotations

import logging

from django.apps import AppConfig
from django.db.models.signals import post_save
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
        from .core.registry import registry
        from .engine.instances import register_model_codec
        from .engine.logs import make_logs_safe
        from .engine.pools import limits_changed
        from .q2 import connect

        register_model_codec()
        make_logs_safe()
        post_save.connect(limits_changed, sender="django_workflows.Pool", dispatch_uid="django_workflows.pools")
        connect()
        # A traceback through half an import would say less than the check does.
        with registry.noting_duplicates():
            autodiscover_modules("workflows")
        for name, places in registry.duplicates.items():
            # Web servers run no checks.
            logger.error("Two workflows are named %r, and neither can be used: %s", name, places)
