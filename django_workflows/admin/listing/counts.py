"""How many workflows are in each state, counted once per request and only so far as a person cares."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from ...models import Workflow
from ...store.activity import STATES, count_by_state, names_in_use
from ..permissions import narrowed

#: From here on it is "many".
MANY = 10_000


def counts(request: HttpRequest, admin: Any) -> dict[str, int]:
    """By state, of top-level workflows that exist for the user, up to one more than ``MANY``."""
    found: dict[str, int] | None = getattr(request, "_workflow_counts", None)
    if found is None:
        rows = narrowed(admin, request)
        found = count_by_state(MANY + 1) if rows is None else _count_some(rows)
        request._workflow_counts = found  # type: ignore[attr-defined]
    return found


def _count_some(rows: QuerySet[Workflow]) -> dict[str, int]:
    top = rows.filter(parent__isnull=True).order_by("-id")
    return {state: top.filter(state=state)[: MANY + 1].count() for state in STATES}


def names(request: HttpRequest, admin: Any) -> list[str]:
    """The names of the workflows that exist for the user."""
    rows = narrowed(admin, request)
    return names_in_use() if rows is None else sorted(set(rows.order_by().values_list("name", flat=True).distinct()))


def shown(count: int, many: int = MANY) -> str:
    """A count as a person reads it: ``12``, ``9,431``, ``10,000+``."""
    return f"{many:,}+" if count > many else f"{count:,}"


def shown_counts(request: HttpRequest, admin: Any) -> dict[str, str]:
    return {state: shown(count) for state, count in counts(request, admin).items()}
