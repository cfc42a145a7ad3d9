"""How many workflows are in each state, counted once per request and only so far as a person cares."""

from __future__ import annotations

from django.http import HttpRequest

from ...store.activity import count_by_state

#: From here on it is "many".
MANY = 10_000


def counts(request: HttpRequest) -> dict[str, int]:
    """By state, of top-level workflows, up to one more than ``MANY``."""
    found: dict[str, int] | None = getattr(request, "_workflow_counts", None)
    if found is None:
        found = count_by_state(MANY + 1)
        request._workflow_counts = found  # type: ignore[attr-defined]
    return found


def shown(count: int, many: int = MANY) -> str:
    """A count as a person reads it: ``12``, ``9,431``, ``10,000+``."""
    return f"{many:,}+" if count > many else f"{count:,}"


def shown_counts(request: HttpRequest) -> dict[str, str]:
    return {state: shown(count) for state, count in counts(request).items()}
