"""Writes what a turn changes of its workflow's own row, in the SQL that every database knows."""

from __future__ import annotations

from datetime import datetime

from ..conf import settings
from ..core.entries import TurnRecord
from .database import Moment, clock, fetch_one, is_postgresql, put_instant, put_uuid
from .listening import telling
from .rows import WORKFLOW, dump_failure


def write_row(turn: TurnRecord) -> tuple[datetime, int] | None:
    moment = Moment()
    sets = [
        "version = version + 1",
        "delivered = %s",
        "deliveries = 0",
        "claimed_by = ''",
        "problem = ''",
        "journal_bytes = journal_bytes + %s",
    ]
    if not turn.forced:  # the handler was not asked, so its journal is still the one that the restart left
        sets.append(f"reopened = {'FALSE' if is_postgresql() else '0'}")
    params: list[object] = [turn.delivered, turn.grown_bytes]
    if turn.first:
        sets.append("started_at = %s")
        params.append(put_instant(turn.at))
    if turn.canceled_at_delivery is not None:
        sets.append("canceled_at_delivery = %s")
        params.append(turn.canceled_at_delivery)
    if turn.ending is None:
        due, due_params = _due_sql(turn, moment)
        # Others that wrote since set their own wake-up, which must not be wiped out.
        sets.append(
            f"due_at = CASE WHEN version = %s THEN {due} WHEN due_at IS NULL THEN {due} ELSE {_least()}(due_at, "
            f"COALESCE({due}, due_at)) END"
        )
        params += [turn.expected_version, *due_params * 3]
    else:
        sets += [
            "state = %s",
            "result = %s",
            "error = %s",
            "due_at = NULL",
            f"finished_at = {moment.sql()}",
            f"expires_at = {expires_sql(moment)}",
        ]
        params += [turn.ending.state, turn.ending.result, dump_failure(turn.ending.error)]
    told = turn.forced or turn.canceled_at_delivery is not None
    handled = "" if told else " AND (cancel_requested_at IS NULL OR canceled_at_delivery IS NOT NULL)"
    if turn.first:
        handled += " AND started_at IS NULL"
    if turn.exact:
        handled += f" AND version = {int(turn.expected_version)}"
    row = fetch_one(
        f"UPDATE {WORKFLOW} SET {', '.join(sets)} WHERE id = %s AND generation = %s AND state = 'in_progress' "
        f"AND delivered = %s{handled} RETURNING {moment.sql()}, version{telling()}",
        [*params, put_uuid(turn.workflow_id), turn.generation, turn.expected_delivered],
    )
    return None if row is None else (clock.read(row[0]), row[1])


def _least() -> str:
    return "LEAST" if is_postgresql() else "min"


def _due_sql(turn: TurnRecord, moment: Moment) -> tuple[str, list[object]]:
    """When the earliest wait of this workflow is over; SQL and its parameters."""
    delays = [step.delay for step in turn.new_steps if step.state == "waiting" and step.delay is not None]
    instants = [step.run_at for step in turn.new_steps if step.state == "waiting" and step.run_at is not None]
    if turn.next_due is not None:
        instants.append(turn.next_due)
    parts = ([moment.sql(min(delays))] if delays else []) + (["%s"] if instants else [])
    if not parts:
        return "NULL", []
    params: list[object] = [put_instant(min(instants))] if instants else []
    if is_postgresql():
        parts = [part.replace("%s", "%s::timestamptz") for part in parts]
    return (f"{_least()}({', '.join(parts)})" if len(parts) > 1 else parts[0]), params


def expires_sql(moment: Moment) -> str:
    """SQL for when a workflow that ends at that moment may be deleted."""
    return expires_from(moment.sql())


def expires_from(now: str) -> str:
    """The same, where ``now`` is SQL for the moment."""
    default = settings.RETENTION
    if is_postgresql():
        fallback = "NULL" if default is None else f"interval '{default.total_seconds():.6f} seconds'"
        return f"{now} + COALESCE(retain_for, {fallback})"
    microseconds = "NULL" if default is None else str(round(default.total_seconds() * 1_000_000))
    return (
        f"strftime('%%Y-%%m-%%d %%H:%%M:%%f', {now}, "
        f"'+' || (COALESCE(retain_for, {microseconds}) / 1000000.0) || ' seconds')"
    )
