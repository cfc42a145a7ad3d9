"""System checks: what would go wrong later, said at start-up with a hint. Ids never change their meaning."""

from __future__ import annotations

from django.core.checks import register

from .api import check_api
from .brokers import check_broker
from .cluster import check_cluster
from .database import check_database
from .definitions import check_names
from .determinism import check_handlers
from .settings import check_settings
from .tasks import check_tasks

TAG = "django_workflows"

for _check in (
    check_settings,
    check_database,
    check_cluster,
    check_broker,
    check_api,
    check_names,
    check_handlers,
    check_tasks,
):
    register(_check, TAG)
