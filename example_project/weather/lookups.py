"""Starts a weather report for a visitor, and lists the latest ones with their outcome."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from example_project.weather.models import Lookup, Report
from example_project.weather.workflows import flow_completed, weather_report, workflow


@dataclass(frozen=True)
class Row:
    """One line of the list: a workflow, what was asked for, and what came out as far as that is known."""

    workflow_id: UUID
    state: str
    created_at: datetime
    lookup: Lookup | None
    report: Report | None

    @property
    def city(self) -> str:
        """What to call this line."""
        return city_of(self.lookup, self.report)


def start_lookup(city: str) -> UUID:
    """Start a report and note who is waiting for it: both are committed, or neither is."""
    with transaction.atomic():
        asked = weather_report.with_options(on_complete=flow_completed, context={"city": city})
        workflow_id = asked.start(location=city)
        Lookup.objects.create(workflow_id=workflow_id, city=city)
    return workflow_id


def latest_rows(count: int) -> Sequence[Row]:
    """The last ``count`` weather workflows, newest first, in three queries."""
    workflows = list(workflow.list(name=weather_report.name).order_by("-id")[:count])
    ids = [found.id for found in workflows]
    lookups = Lookup.objects.in_bulk(ids, field_name="workflow_id")
    reports = Report.objects.in_bulk(ids, field_name="workflow_id")
    return [
        Row(found.id, found.state, found.created_at, lookups.get(found.id), reports.get(found.id))
        for found in workflows
    ]


def city_of(lookup: Lookup | None, report: Report | None) -> str:
    """The city that was asked for, or else the one that was found; a workflow in between has neither."""
    if lookup is not None:
        return lookup.city
    return report.city if report is not None else "Some city"
