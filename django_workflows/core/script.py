"""What a journal says that the handler must ask for next; where the two differ, a ``DeterminismViolation``."""

from __future__ import annotations

from collections.abc import Iterable

from ..exceptions import DeterminismViolation
from .commands import Ask
from .journal import OPEN_STATES, StepKind, StepRecord
from .payloads import same_json
from .zones import may_hold_zones, without_zones


class Script:
    """The recorded steps that the handler has not asked for yet, and the number of the step it asks for next.

    ``strict`` is true while the handler is led through what it did before: it may then ask for nothing else.
    """

    def __init__(self) -> None:
        self.next_number = 0
        self.strict = False
        self.replaying = True
        self._records: dict[int, StepRecord] = {}
        self._patches: dict[str, bool] = {}

    def read(self, records: Iterable[StepRecord]) -> set[int]:
        """Take in what was recorded; the numbers of the steps among it that are over."""
        over = set()
        for record in records:
            if record.number >= self.next_number:
                self._records[record.number] = record
                if record.kind == StepKind.PATCH:
                    self._patches.setdefault(record.name, True)
            if record.state not in OPEN_STATES:
                over.add(record.number)
        return over

    def number(self, ask: Ask) -> bool:
        """Give a step its number; whether the journal does not have it, so that it is to be recorded."""
        ask.number = self._beyond_patches()
        self.next_number = ask.number + 1
        record = self._records.pop(ask.number, None)
        if record is not None:
            _compare(record, ask)
            ask.name = record.name
        elif self.strict:
            raise DeterminismViolation(ask.number, None, describe(ask.kind, ask.name, ask.args))
        return record is None

    def check_reached(self, number: int) -> None:
        """The journal has an outcome of that step: the handler must have asked for it."""
        if number >= self.next_number:
            record = self._records.get(number)
            shown = "the outcome of a step" if record is None else describe(record.kind, record.name, record.args)
            raise DeterminismViolation(number, shown, None)

    def check_all_asked(self) -> None:
        """The handler must have asked for everything that the journal has."""
        self.next_number = self._beyond_patches()
        if self._records:
            record = self._records[min(self._records)]
            raise DeterminismViolation(record.number, describe(record.kind, record.name, record.args), None)

    def patch_decision(self, patch_id: str) -> bool | None:
        """Whether this workflow takes a patch; ``None`` if it is the first to be asked, and takes it."""
        if patch_id not in self._patches:
            # Those that the journal has a marker of, wherever it is, were decided when it was read.
            old = self.replaying and (bool(self._records) or self.strict)
            self._patches[patch_id] = not old
            return None if not old else False
        return self._patches[patch_id]

    @property
    def patches(self) -> dict[str, bool]:
        """What has been decided of each patch: by a marker, or when the handler asked."""
        return dict(self._patches)

    def _beyond_patches(self) -> int:
        """The next number, beyond markers of patches that the code no longer asks about."""
        number = self.next_number
        while (record := self._records.get(number)) is not None and record.kind == StepKind.PATCH:
            del self._records[number]
            number += 1
        return number


def _compare(record: StepRecord, ask: Ask) -> None:
    if (
        record.kind == ask.kind
        and (record.name == ask.name or _is_named_by_its_id(ask))
        and (record.args == ask.args or ask.options.unstable_args or _same_args(record.args, ask.args))
    ):
        return
    recorded = describe(record.kind, record.name, record.args)
    raise DeterminismViolation(ask.number, recorded, describe(ask.kind, ask.name, ask.args))


def _same_args(recorded: str, asked: str) -> bool:
    """Older versions wrote times without their zones."""
    return same_json(recorded, asked) or (may_hold_zones(asked) and same_json(recorded, without_zones(asked)))


def _is_named_by_its_id(ask: Ask) -> bool:
    """Whether it waits for an event by id: the journal may have the event's name, and the id is in the arguments."""
    return ask.event_id is not None and ask.options.name is None


def describe(kind: str, name: str, args: str) -> str:
    """A step as a mismatch shows it."""
    shown = args if len(args) <= 200 else f"{args[:200]}..."
    return f"{kind} {name} {shown}"
