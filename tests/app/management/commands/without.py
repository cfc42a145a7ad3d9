"""`workflows cluster` with one of the engine's safeguards taken away."""

from __future__ import annotations

from typing import Any

from django.core.management import BaseCommand, CommandParser, call_command

from tests.app.safeguards import SAFEGUARDS


class Command(BaseCommand):
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("safeguard", choices=sorted(SAFEGUARDS))

    def handle(self, *args: Any, **options: Any) -> None:
        SAFEGUARDS[options["safeguard"]]()
        call_command("workflows", "cluster")
