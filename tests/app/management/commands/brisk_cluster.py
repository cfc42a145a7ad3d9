"""A plain `qcluster` that takes every step for quick from the start, and none for slow, on however busy a machine."""

from __future__ import annotations

from typing import Any

from django.core.management import BaseCommand, call_command

from django_workflows.engine import batch
from django_workflows.engine.pace import pace


class Command(BaseCommand):
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        pace.be(16)
        batch._STALL = batch.QUICK = 60.0
        call_command("qcluster")
