"""Decides what a restart runs again, and what of the journal it keeps."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class RestartFrom(Enum):
    """Where a restart begins, in place of a step.

    ``FAILED``, which is the default: the failures that ended the workflow run again. ``KEEP``: the whole journal stays,
    with its failures, for code that was fixed.
    """

    FAILED = "failed"
    KEEP = "keep"


FAILED, KEEP = RestartFrom.FAILED, RestartFrom.KEEP


@dataclass(frozen=True, slots=True)
class FailedStep:
    """A failed step of a journal. ``reached``: the number of the step that the function was to ask for next when it
    was told of this failure; ``None`` where it was not told, or where an earlier version told it.
    """

    number: int
    delivery: int | None
    reached: int | None
    created_at: datetime
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class RestartPlan:
    """What runs again: the steps of these numbers, and from ``cut`` on everything, which is dropped."""

    again: tuple[int, ...] = ()
    cut: int | None = None


def failed_plan(
    failed: Sequence[FailedStep], ended_by: Collection[int], total: int, asked: Sequence[tuple[int, datetime]] = ()
) -> RestartPlan:
    """What ``FAILED`` means for a workflow that failed, of whose journal of ``total`` steps these ``failed``.

    ``ended_by`` are the steps whose failures its error is, groups, or has as its cause. With them run again those
    after which nothing was asked for, or which the function was never told of: it would be told of them at once, and
    fail as before. The journal is cut where the function was when it was told of the first failure that ended it.
    ``asked`` is when steps were asked for, where an earlier version did not note what had been reached.
    """
    reached = {each.number: _reached(each, total, asked) for each in failed}
    last = [each for each in failed if each.delivery is None or reached[each.number] >= total]
    ended = [each for each in failed if each.number in ended_by] or last
    if not ended:
        return RestartPlan()
    told = [each for each in ended if each.delivery is not None]
    first = min(told, key=lambda each: each.delivery or 0, default=None)
    cut = total if first is None else reached[first.number]
    again = {each.number for each in (*ended, *last)}
    return RestartPlan(tuple(sorted(number for number in again if number < cut)), cut if cut < total else None)


def _reached(step: FailedStep, total: int, asked: Sequence[tuple[int, datetime]]) -> int:
    """What the function had asked for when it was told, at the least."""
    if step.delivery is None:
        return total
    if step.reached is not None:
        return step.reached
    if step.delivered_at is None or step.delivered_at <= step.created_at:
        return step.number + 1  # told in the turn that asked for it
    # What was asked for in the same turn was asked for before; of later turns that is not known.
    return min((number for number, at in asked if number > step.number and at > step.created_at), default=total)
