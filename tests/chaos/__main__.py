"""``python -m tests.chaos``: thousands of workflows while processes and the database are killed around them.

Prints what came out, and the seed with which to run it again. Exit code 1 if any promise was broken.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path


def main() -> int:
    options = _arguments()
    # Should even the thread that watches not come to its turn.
    faulthandler.dump_traceback_later(options.seconds + options.patience + 120, repeat=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        server = None
        os.environ["DJANGO_WORKFLOWS_TEST_DB"] = options.database
        if options.database == "postgres":
            from tests.postgres import PostgresServer

            server = stack.enter_context(PostgresServer())
            os.environ["DATABASE_URL"] = server.dsn
            os.environ["DJANGO_WORKFLOWS_TEST_DB_NAME"] = "postgres"
        else:
            os.environ.pop("DATABASE_URL", None)
            os.environ["DJANGO_WORKFLOWS_TEST_DB_NAME"] = str(folder / "chaos.sqlite3")
        return _run(options, folder, server)


def _run(options: argparse.Namespace, folder: Path, server: object) -> int:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ["DJANGO_WORKFLOWS_TEST_STACKS"] = "1"
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    if server is not None:
        # What waits longer than this is a finding, and must not keep the driver as well.
        connection.settings_dict["OPTIONS"] |= {"connect_timeout": 10, "options": "-c statement_timeout=100000"}
    from tests.chaos.run import Options, run

    call_command("migrate", verbosity=0, run_syncdb=True, skip_checks=True)
    print(f"Chaos on {options.database}, seed {options.seed} ...", flush=True)
    verdict = run(
        Options(**{each.name: getattr(options, each.name) for each in fields(Options)}),
        folder,
        server,  # type: ignore[arg-type]
    )
    width = max(map(len, verdict.figures))
    for name, value in verdict.figures.items():
        print(f"  {name:<{width}}  {value}")
    for broken in verdict.broken:
        print(f"BROKEN {broken}")
    if verdict.broken:
        if options.keep:
            for log in sorted(folder.glob("*.log")):
                (options.keep / f"{options.database}-{log.name}").write_bytes(log.read_bytes())
        print(f"Run it again: python -m tests.chaos --database {options.database} --seed {options.seed}")
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--workflows", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--every", type=float, default=1.5, help="seconds between two victims, on average")
    parser.add_argument("--spread", type=float, default=0.0, help="how many seconds the starts take, at least")
    parser.add_argument("--seconds", type=float, default=240.0, help="how long to kill, at the most")
    parser.add_argument("--patience", type=float, default=90.0, help="how long the last ones may take to end")
    parser.add_argument("--still", type=float, default=60.0, help="seconds without progress after which to say all")
    parser.add_argument("--stock", action="store_true", help="django-q2's own sentinel, which must be caught")
    parser.add_argument("--without", default="", help="a safeguard of the engine's to take away, which must be caught")
    parser.add_argument("--keep", type=Path, help="a folder for the logs of a run that failed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
