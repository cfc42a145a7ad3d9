"""``manage.py demo``: weather workflows for many cities on a real cluster, with a table at the end."""

import sys
from io import TextIOWrapper
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from example_project.launch.background import NotRunning
from example_project.launch.demo import DemoFailed, run_demo
from example_project.weather.cities import all_cities


class Command(BaseCommand):
    help = "Runs weather workflows for many cities on a real cluster, shows the results, and stops everything."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--cities", type=int, default=50, help="How many workflows to run (default: 50).")
        parser.add_argument("--timeout", type=float, default=120.0, help="Seconds until it gives up (default: 120).")

    def handle(self, *args: Any, cities: int, timeout: float, **options: Any) -> None:
        if not 1 <= cities <= len(all_cities()):
            raise CommandError(f"--cities must be between 1 and {len(all_cities())}.")
        self.stdout.ending = ""
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal without a degree sign shall see the rest
        try:
            run_demo(self.stdout, count=cities, timeout=timeout)  # type: ignore[arg-type]
        except (DemoFailed, NotRunning) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as interrupt:
            raise CommandError(f"Everything was stopped, as asked ({interrupt}).", returncode=130) from None
