"""What a site does beside the clusters: reads, then writes, in transactions; and starts workflows in some of them."""

from __future__ import annotations

import time
from typing import Any

from django.core.management import BaseCommand, CommandParser
from django.db import transaction

from tests.app.cluster_workflows import chain
from tests.app.models import Counter

#: Transactions that there are at least, on however slow a machine.
ENOUGH = 30


class Command(BaseCommand):
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("log")
        parser.add_argument("--seconds", type=float, default=5.0)

    def handle(self, *args: Any, **options: Any) -> None:
        Counter.objects.get_or_create(name="web")
        until, count = time.monotonic() + options["seconds"], 0
        while time.monotonic() < until or count < ENOUGH:
            with transaction.atomic():
                counter = Counter.objects.get(name="web")
                time.sleep(0.002)
                counter.value += 1
                counter.save()
                if count % 5 == 0:
                    chain.start(options["log"], 2)
            count += 1
        self.stdout.write(f"{count} transactions")
