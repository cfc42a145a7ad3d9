"""`workflows cluster` that takes a process for wedged after a moment, so that a test need not wait."""

from __future__ import annotations

from typing import Any

from django.core.management import BaseCommand, call_command

from django_workflows.q2.cluster import crew, wedges


class Command(BaseCommand):
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        wedges._PULSE = wedges._RESULTS = 3.0
        wedges._TASKS = crew.GRACE = 1.5
        call_command("workflows", "cluster")
