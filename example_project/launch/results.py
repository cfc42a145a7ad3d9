"""Reads what became of weather workflows, and lays it out as a table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, F, Sum
from django.db.models.functions import Coalesce

from example_project.weather.models import Report
from example_project.weather.workflows import workflow

HEADINGS = ("City", "Country", "°C", "Attempts", "Duration")


@dataclass(frozen=True)
class Result:
    """A finished workflow: the seconds it took, its steps, and how often they were tried in all."""

    workflow_id: UUID
    city: str
    country: str
    temperature: float
    steps: int
    attempts: int
    seconds: float

    @property
    def retries(self) -> int:
        """How many attempts were second or later ones."""
        return self.attempts - self.steps


def states(ids: Iterable[UUID]) -> dict[UUID, str]:
    """The state of each workflow."""
    return dict(workflow.list().filter(id__in=list(ids)).values_list("id", "state"))


def results(ids: Iterable[UUID]) -> list[Result]:
    """The results of the workflows that completed, in the order of their start."""
    wanted = list(ids)
    reports = Report.objects.in_bulk(wanted, field_name="workflow_id")
    rows = (
        workflow.list(state="completed")
        .filter(id__in=wanted)
        .annotate(
            step_count=Count("steps"),
            attempts=Coalesce(Sum("steps__attempt"), 0),
            took=F("finished_at") - F("created_at"),
        )
        .order_by("id")
    )
    return [
        Result(
            row.id,
            reports[row.id].city,
            reports[row.id].country,
            reports[row.id].temperature,
            row.step_count,
            row.attempts,
            row.took.total_seconds(),
        )
        for row in rows
    ]


def retry_count(ids: Iterable[UUID]) -> int:
    """How often a step of these workflows has been tried again so far."""
    again = workflow.list().filter(id__in=list(ids), steps__attempt__gt=1).aggregate(n=Sum(F("steps__attempt") - 1))
    return again["n"] or 0


def table(rows: Sequence[Result]) -> str:
    """The results as text, in columns."""
    cells = [HEADINGS] + [
        (
            row.city,
            row.country,
            f"{row.temperature:.1f}",
            f"{row.attempts}" + (f" ({row.retries} retried)" if row.retries else ""),
            f"{row.seconds:.2f} s",
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    lines = [_line(cell, widths) for cell in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = [
        cell.rjust(width) if heading in ("°C", "Duration") else cell.ljust(width)
        for heading, cell, width in zip(HEADINGS, cells, widths, strict=True)
    ]
    return "  ".join(aligned).rstrip()
