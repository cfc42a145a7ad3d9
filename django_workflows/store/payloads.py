"""Reads payloads of steps for people to look at: those that are too long for a page are left in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import Case, F, TextField, When
from django.db.models.functions import Length

from ..core.attempts import HISTORY_COLUMNS
from ..models import Step
from .database import alias


def step_payloads(workflow_id: UUID, numbers: Sequence[int], longest: int) -> dict[int, dict[str, Any]]:
    """Steps by number, with ``HISTORY_COLUMNS``, function, arguments and result.

    ``args_size`` and ``result_size`` are in characters; a payload of more than ``longest`` is ``None``.
    """
    if not numbers:
        return {}
    rows = (
        Step.objects.using(alias())
        .filter(workflow_id=workflow_id, number__in=numbers)
        .annotate(args_size=Length("args"), result_size=Length("result"))
        .annotate(
            args_read=Case(When(args_size__lte=longest, then=F("args")), output_field=TextField()),
            result_read=Case(When(result_size__lte=longest, then=F("result")), output_field=TextField()),
        )
        .values(*HISTORY_COLUMNS, "function", "args_size", "result_size", "args_read", "result_read")
    )
    return {row["number"]: {**row, "args": row["args_read"], "result": row["result_read"]} for row in rows}


def step_payload(workflow_id: UUID, number: int, what: str) -> str | None:
    """The whole arguments (``args``) or result (``result``) of a step; ``None`` if there is none."""
    rows = Step.objects.using(alias()).filter(workflow_id=workflow_id, number=number).values_list(what, flat=True)
    return rows.first()
