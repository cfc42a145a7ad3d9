"""Runs one of each other example: an approval given here, a canceled job, a parent with children."""

import time
from collections.abc import Callable
from typing import TextIO
from uuid import UUID

from example_project.approvals.models import Request
from example_project.approvals.views import decide, start_confirmation
from example_project.countries.models import Comparison
from example_project.countries.workflows import compare_countries
from example_project.jobs.models import Day
from example_project.jobs.views import start_year
from example_project.jobs.workflows import workflow
from example_project.live.status import look

POLL = 0.05
ENOUGH_DAYS = 10


class NotInTime(Exception):
    """An example did not get where it should. The text says which, and its state."""


def show_examples(out: TextIO, *, check: Callable[[], None], timeout: float) -> None:
    """Run them and say what happened. ``check`` raises when site or cluster have ended.

    Raises ``NotInTime`` when they are not done after ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout

    def wait(workflow_id: UUID, what: str, ready: Callable[[], bool]) -> None:
        while not ready():
            check()
            if time.monotonic() > deadline:
                raise NotInTime(f"{what} was not there in time: {workflow_id} {workflow.status(workflow_id)}")
            time.sleep(POLL)

    asked, year = start_confirmation("tea"), start_year("Tokyo")
    countries = compare_countries.start(["Norway", "Kenya", "Atlantis"])

    wait(asked, "The question", lambda: look(asked)["running"] == ["approval"])
    decide(asked, "approve", choice="1")
    wait(asked, "The approved text", lambda: look(asked)["finished"])
    proposals = len(Request.objects.get(workflow_id=asked).proposals)
    out.write(f"Approval: the second of {proposals} proposals was approved: {workflow.result(asked)}\n")

    wait(countries, "The comparison", lambda: look(countries)["finished"])
    comparison = Comparison.objects.get(workflow_id=countries)
    found = [f"{country} {mean} °C" for country, mean in workflow.result(countries).items()]
    out.write(f"Parent and children: {', '.join([*found, *comparison.problems.values()])}\n")

    wait(year, "Enough of the long job", lambda: look(year)["done"] >= ENOUGH_DAYS)
    done = look(year)["done"]
    workflow.cancel(year)
    wait(year, "The end of the long job", lambda: look(year)["finished"])
    left = Day.objects.filter(year__workflow_id=year).count()
    out.write(f"Long job: {look(year)['state']} after {done} of 365 days; after the clean-up {left} are left.\n")
