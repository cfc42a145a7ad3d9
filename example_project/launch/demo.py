"""Runs many weather workflows and some others on a real cluster, and shows what came out."""

import time
from collections.abc import Sequence
from typing import TextIO
from uuid import UUID

from django.core.management import call_command

from example_project.launch.examples import NotInTime, show_examples
from example_project.launch.progress import Progress
from example_project.launch.results import results, retry_count, states, table
from example_project.launch.services import Services, running_services
from example_project.weather.cities import all_cities
from example_project.weather.lookups import start_lookup
from example_project.weather.workflows import workflow

POLL = 0.1
EXAMPLES_TIMEOUT = 60.0
SHOWN = 5  # workflows in a complaint
# fmt: off
FIRST = (
    "Paris", "Tokyo", "Nairobi", "Lima", "Sydney", "London", "Cairo", "Mumbai",
    "Reykjavik", "Toronto", "Berlin", "Bangkok", "Lagos", "Quito", "Auckland", "Madrid",
    "Seoul", "Casablanca", "Santiago", "Honolulu", "Rome", "Beijing", "Kampala", "Bogota",
    "Perth", "Vienna", "Singapore", "Dakar", "Montevideo", "Anchorage", "Athens", "Jakarta",
    "Windhoek", "Caracas", "Suva", "Oslo", "Kathmandu", "Harare", "Havana", "Ulaanbaatar",
    "Lisbon", "Manila", "Tunis", "Chicago", "Darwin", "Prague", "Dubai", "Kigali",
    "Yakutsk", "Ushuaia",
)
# fmt: on


class DemoFailed(Exception):
    """Something did not finish. The text says what, and shows the end of the logs."""


def run_demo(out: TextIO, *, count: int, timeout: float) -> None:
    """Migrate, start site and cluster, run ``count`` workflows, print results and a timeline, stop everything.

    Raises ``DemoFailed`` when workflows fail or do not finish within ``timeout`` seconds, and ``NotRunning`` when site
    or cluster end early. Whatever happens, they are stopped when this returns.
    """
    _say(out, "Preparing the database ...")
    call_command("migrate", verbosity=0, interactive=False)
    _say(out, "Starting the site, which serves the weather service too, and a cluster ...")
    with running_services("127.0.0.1", 0) as services:
        _say(out, f"Running {count} workflows; the weather service at {services.url}service/ fails now and then:")
        began = time.monotonic()
        ids = [start_lookup(city) for city in cities(count)]
        _wait(out, services, ids, deadline=began + timeout)
        took = time.monotonic() - began
        _print_results(out, ids, took)
        _run_examples(out, services)
    _say(out, "Everything stopped.")


def cities(count: int) -> Sequence[str]:
    """Names of cities to ask for: well-known ones first, then the rest of the table."""
    others = [city.name for city in all_cities() if city.name not in FIRST]
    return [*FIRST, *others][:count]


def _wait(out: TextIO, services: Services, ids: Sequence[UUID], *, deadline: float) -> None:
    progress = Progress(out, len(ids))
    while True:
        found = states(ids)
        unfinished = [workflow_id for workflow_id in ids if found.get(workflow_id) == "in_progress"]
        retries = retry_count(ids)
        progress.show(len(ids) - len(unfinished), f", {retries} steps tried again" if retries else "")
        if not unfinished:
            break
        services.check()
        if time.monotonic() > deadline:
            progress.end()
            raise DemoFailed(_complaint(f"{len(unfinished)} workflows did not finish in time", unfinished, services))
        time.sleep(POLL)
    progress.end()
    bad = [workflow_id for workflow_id in ids if found.get(workflow_id) != "completed"]
    if bad:
        raise DemoFailed(_complaint(f"{len(bad)} workflows did not complete", bad, services))


def _print_results(out: TextIO, ids: Sequence[UUID], took: float) -> None:
    rows = results(ids)
    _say(out, f"\n{table(rows)}\n")
    steps, retries = sum(row.steps for row in rows), sum(row.retries for row in rows)
    _say(out, f"{len(rows)} reports, {steps} steps, {retries} retries in {took:.1f} s.\n")
    shown = max(rows, key=lambda row: (row.retries, -row.seconds))
    _say(out, f"The timeline of one of them ({shown.city}):\n")
    call_command("workflows", "show", str(shown.workflow_id), stdout=out)
    _say(out, "")


def _run_examples(out: TextIO, services: Services) -> None:
    _say(out, "Three of the other examples:\n")
    try:
        show_examples(out, check=services.check, timeout=EXAMPLES_TIMEOUT)
    except NotInTime as error:
        raise DemoFailed(f"{error}\n{services.cluster.tail()}") from error
    _say(out, "")


def _complaint(what: str, ids: Sequence[UUID], services: Services) -> str:
    first = [f"  {workflow_id}  {workflow.status(workflow_id)}" for workflow_id in ids[:SHOWN]]
    more = [f"  and {len(ids) - SHOWN} more"] if len(ids) > SHOWN else []
    return "\n".join([f"{what}:", *first, *more, services.cluster.tail(), services.site.tail(10)])


def _say(out: TextIO, text: str) -> None:
    out.write(f"{text}\n")
    out.flush()
