"""Reads what a list of workflows shows of each, with one statement for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Case, Count, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum, Value, When, Window
from django.db.models.functions import RowNumber

from ..core.attempts import HISTORY_COLUMNS
from ..models import Pool, Step, Workflow
from .database import alias

#: In the words of the index of steps that went wrong.
_WENT_WRONG = Q(attempt__gt=1) | Q(state="failed")
_LAST_ONE_DID_NOT_FAIL = Q(state__in=("completed", "running")) | Q(state="canceled", started_at__isnull=False)


def in_progress(name: str | None, batch: int = 500) -> Iterator[UUID]:
    """The workflows in progress, of that name if given, newest first; read ``batch`` by ``batch``."""
    rows = Workflow.objects.using(alias()).filter(state="in_progress").order_by("-id").values_list("id", flat=True)
    if name is not None:
        rows = rows.filter(name=name)
    found = list(rows[:batch])
    while found:
        yield from found
        found = list(rows.filter(id__lt=found[-1])[:batch])


def open_steps(ids: Sequence[UUID], each: int) -> dict[UUID, list[dict[str, Any]]]:
    """The first open steps of every workflow, at most ``each`` of them, with ``HISTORY_COLUMNS``."""
    rank = Window(RowNumber(), partition_by=F("workflow_id"), order_by=F("number").asc())
    rows = (
        Step.objects.using(alias())
        .filter(workflow_id__in=ids, state__in=("queued", "running", "waiting"))
        .annotate(rank=rank)
        .filter(rank__lte=each)
        .order_by("workflow_id", "number")
        .values("workflow_id", *HISTORY_COLUMNS)
    )
    found: dict[UUID, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["workflow_id"], []).append(row)
    return found


def failed_attempts(ids: Iterable[UUID]) -> dict[UUID, int]:
    """How many attempts of its steps failed or were lost, of each workflow that has any."""
    failed = Case(
        When(_LAST_ONE_DID_NOT_FAIL, then=F("attempt") - 1), default=F("attempt"), output_field=IntegerField()
    )
    rows = (
        Step.objects.using(alias())
        .filter(_WENT_WRONG, workflow_id__in=list(ids))
        .values_list("workflow_id")
        .annotate(failed=Sum(failed, default=Value(0)))
        .filter(failed__gt=0)
        .order_by()
    )
    return dict(rows)


def failures(ids: Iterable[UUID]) -> dict[UUID, str]:
    """The error, as JSON, of each workflow that failed."""
    rows = Workflow.objects.using(alias()).filter(id__in=list(ids), error__isnull=False)
    return {workflow_id: error for workflow_id, error in rows.values_list("id", "error") if error is not None}


def waits_for_a_retry(workflow_id: UUID) -> bool:
    """Whether a step of the workflow waits for its next attempt."""
    rows = Step.objects.using(alias()).filter(workflow_id=workflow_id, state="queued", attempt__gt=0)
    return rows.filter(due_at__isnull=False).exists()


#: Of more open steps than this, the first ones are looked at.
_MOVING = 500


def moving_parts(workflow_id: UUID) -> tuple[Any, ...]:
    """What can change without the workflow's version: how its open steps are doing, and its children's versions."""
    steps = Step.objects.using(alias()).filter(workflow_id=workflow_id, state__in=("queued", "running", "waiting"))
    open_ones = steps.order_by("number").values_list("number", "state", "attempt", "progress")[:_MOVING]
    children = Workflow.objects.using(alias()).filter(parent=workflow_id)
    return (*open_ones, children.aggregate(count=Count("id"), versions=Sum("version")))


def with_usage(pools: QuerySet[Pool]) -> QuerySet[Pool]:
    """The pools with ``running_steps``, and with ``waiting_steps`` that have found no place; ``None`` for none."""
    steps = Step.objects.using(alias()).filter(pool=OuterRef("name")).exclude(pool="").order_by()
    running = steps.filter(state="running").values("pool").annotate(found=Count("pk")).values("found")
    waiting = (
        steps.filter(state="queued", due_at__isnull=True).values("pool").annotate(found=Count("pk")).values("found")
    )
    return pools.annotate(running_steps=Subquery(running), waiting_steps=Subquery(waiting))
