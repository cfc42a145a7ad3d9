"""Reads what several journals hold beyond what their handlers have seen: one statement on PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from ..core.journal import StepRecord
from . import journals
from .database import atomic
from .prepared import in_one_statement, run_all
from .rows import STEP, STEP_COLUMNS, step_record


class Beyond(NamedTuple):
    """What is asked of one journal, as ``journals.load`` is asked."""

    workflow_id: UUID
    from_number: int = 0
    numbers: Sequence[int] = ()
    delivered: int = 0


def load_many(asked: Sequence[Beyond]) -> dict[UUID, list[StepRecord]]:
    """The steps of each of the journals, in order, as ``journals.load`` gives them; all as they are at one moment."""
    if in_one_statement():
        return _in_one_statement(asked)
    with atomic(write=False):
        return {
            each.workflow_id: journals.load(
                each.workflow_id, from_number=each.from_number, numbers=each.numbers, delivered=each.delivered
            )
            for each in asked
        }


def _in_one_statement(asked: Sequence[Beyond]) -> dict[UUID, list[StepRecord]]:
    numbers = [
        (each.workflow_id, number, each.delivered)
        for each in asked
        for number in each.numbers
        if number < each.from_number
    ]
    found: dict[UUID, list[StepRecord]] = {each.workflow_id: [] for each in asked}
    values = {"ids": list(found), "froms": [each.from_number for each in asked]}
    if numbers:
        values |= {"open_ids": [row[0] for row in numbers], "open": [row[1] for row in numbers]}
        values["delivered"] = [row[2] for row in numbers]
    for row in run_all(_WITH_OPEN if numbers else _BEYOND, values):
        found[row[0]].append(step_record(row[1:]))
    return found


_COLUMNS = f"workflow_id, {STEP_COLUMNS}"
_FROM = (
    f"SELECT {_COLUMNS} FROM unnest(%(ids)s::uuid[], %(froms)s::int[]) AS given (g_id, g_from) "
    f"JOIN {STEP} ON workflow_id = g_id AND number >= g_from"
)
_OPEN = (
    f"SELECT {_COLUMNS} FROM unnest(%(open_ids)s::uuid[], %(open)s::int[], %(delivered)s::int[]) "
    f"AS given (g_id, g_number, g_delivered) JOIN {STEP} ON workflow_id = g_id AND number = g_number "
    f"WHERE {journals.NEWS} AND (delivery IS NULL OR delivery > g_delivered)"
)
_BEYOND = f"{_FROM} ORDER BY workflow_id, number"
_WITH_OPEN = f"{_FROM} UNION ALL {_OPEN} ORDER BY workflow_id, number"
