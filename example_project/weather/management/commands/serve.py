"""``manage.py serve``: the example site and its cluster, until Ctrl-C."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from example_project.launch.background import NotRunning
from example_project.launch.serve import serve


class Command(BaseCommand):
    help = "Runs the example site and its cluster until Ctrl-C, and prints a login for the admin."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on (default: 127.0.0.1).")
        parser.add_argument("--port", type=int, default=8000, help="Port of the site; 0 for any (default: 8000).")

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        self.stdout.ending = ""
        try:
            serve(self.stdout, host=host, port=port)  # type: ignore[arg-type]
        except NotRunning as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stdout.write("\nEverything was stopped.\n")
