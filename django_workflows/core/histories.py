"""A journal outside of the database: all that a replay needs of it, as JSON that people can read and keep."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ..exceptions import InvalidPayload
from .journal import Failure, StepRecord
from .plain_json import to_text

FORMAT = 1
#: The queue of workflows that were imported: a name that no worker serves, for work that is never due.
IMPORTED = "(imported from a history)"


@dataclass(frozen=True)
class History:
    """One workflow and its journal. ``args`` and ``result`` are JSON texts, as are those of the steps.

    ``started_at`` is the time of the first turn, ``None`` if there was none. ``canceled_at_delivery``, ``reopened``,
    ``continuations``, ``logic``, ``scheduled_for`` and ``captured`` (JSON text) are those of the workflow's row.
    """

    workflow_id: UUID
    name: str
    state: str
    args: str
    started_at: datetime | None
    steps: tuple[StepRecord, ...] = ()
    result: str | None = None
    error: Failure | None = None
    canceled_at_delivery: int | None = None
    reopened: bool = False
    continuations: int = 0
    logic: int = 0
    scheduled_for: datetime | None = None
    captured: str | None = None

    def dump(self) -> str:
        """The history as a JSON document, indented, to be kept in a file."""
        document = {
            "format": FORMAT,
            "workflow_id": str(self.workflow_id),
            "name": self.name,
            "state": self.state,
            "started_at": _iso(self.started_at),
            "args": json.loads(self.args),
            **_outcome(self.result, self.error),
            "canceled_at_delivery": self.canceled_at_delivery,
            "reopened": self.reopened,
            "continuations": self.continuations,
            "logic": self.logic,
            # Left out where there is none: versions that do not know the field can then read the document, too.
            **({} if self.scheduled_for is None else {"scheduled_for": self.scheduled_for.isoformat()}),
            **({} if self.captured is None else {"captured": json.loads(self.captured)}),
            "steps": [_step_document(step) for step in self.steps],
        }
        return json.dumps(document, indent=2) + "\n"

    @classmethod
    def load(cls, text: str) -> History:
        """The history that ``dump`` made this text of; ``InvalidPayload`` if it is none."""
        try:
            document = json.loads(text)
            found = document["format"]
            if found != FORMAT:
                raise InvalidPayload(f"a history of format {found!r}, and this version reads format {FORMAT}")
            return cls._of(document)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidPayload(f"this is not a history: {type(error).__name__}: {error}") from error

    @classmethod
    def _of(cls, document: dict[str, Any]) -> History:
        result, error = _read_outcome(document)
        return cls(
            workflow_id=UUID(document["workflow_id"]),
            name=document["name"],
            state=document["state"],
            args=to_text(document["args"]),
            started_at=_instant(document["started_at"]),
            steps=tuple(_read_step(step) for step in document["steps"]),
            result=result,
            error=error,
            canceled_at_delivery=document.get("canceled_at_delivery"),
            reopened=document.get("reopened", False),
            continuations=document.get("continuations", 0),
            logic=document.get("logic", 0),
            scheduled_for=_instant(document.get("scheduled_for")),
            captured=to_text(document["captured"]) if "captured" in document else None,
        )


def _step_document(step: StepRecord) -> dict[str, Any]:
    return {
        "number": step.number,
        "kind": step.kind,
        "name": step.name,
        "function": step.function,
        "args": json.loads(step.args),
        "state": step.state,
        **_outcome(step.result, step.error),
        "delivery": step.delivery,
        "delivered_at": _iso(step.delivered_at),
        "finished_at": _iso(step.finished_at),
        "due_at": _iso(step.due_at),
    }


def _read_step(document: dict[str, Any]) -> StepRecord:
    result, error = _read_outcome(document)
    return StepRecord(
        number=document["number"],
        kind=document["kind"],
        name=document["name"],
        args=to_text(document["args"]),
        state=document["state"],
        result=result,
        error=error,
        delivery=document["delivery"],
        delivered_at=_instant(document["delivered_at"]),
        finished_at=_instant(document.get("finished_at")),
        due_at=_instant(document.get("due_at")),
        function=document.get("function", ""),
    )


def _outcome(result: str | None, error: Failure | None) -> dict[str, Any]:
    """A result that is ``None`` is left out: JSON's null is a result too."""
    found: dict[str, Any] = {} if result is None else {"result": json.loads(result)}
    return found if error is None else {**found, "error": error.to_json()}


def _read_outcome(document: dict[str, Any]) -> tuple[str | None, Failure | None]:
    result = to_text(document["result"]) if "result" in document else None
    error = document.get("error")
    return result, None if error is None else Failure.load(json.dumps(error))


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
