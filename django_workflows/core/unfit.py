"""Why a value cannot travel, before anyone has said whose value it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from .excerpts import PREVIEW_LIMIT, one_line, pointer, preview
from .masking import MASK, project_masking

REASON_LIMIT = 200
PROBLEMS_LIMIT = 20

_UNEXPECTED = re.compile(
    r"\((?P<expected>Expected .*?) - serialized value may not be as expected "
    r"\[(?:field_name='(?P<field>.*?)', )?input_value=(?P<value>.*), input_type=(?P<type>\w+)\]\)"
)
_SURROGATE = "holds one half of a surrogate pair, which only a plain `str` can keep"


class Quoting(str):
    """A message that quotes a value, and in ``hidden`` the same where nobody may read that."""

    hidden: str

    @classmethod
    def of(cls, before: str, value: Any, after: str = "") -> Quoting:
        """``before``, a preview of ``value`` less the secrets in it, and ``after``."""
        made = cls(f"{before}{masked_preview(value)}{after}")
        made.hidden = f"{before}{MASK}{after}"
        return made


def masked_preview(value: Any) -> str:
    """``preview`` without the values of telling keys inside of it."""
    masking = project_masking()
    if isinstance(value, (dict, list, tuple)):
        try:
            return masking.text(preview(masking.value(value)))
        except Exception:  # noqa: BLE001 - a user's class may do anything
            return f"<{type(value).__name__}>"
    if isinstance(value, (str, bytes, int, float, type(None))):
        return masking.text(preview(value))
    try:  # before it is cut: what is cut away may be the key of what is left
        return one_line(masking.text(repr(value)), PREVIEW_LIMIT)
    except Exception:  # noqa: BLE001 - as above
        return f"<{type(value).__name__}>"


class Unfit(ValueError):
    """Why a value cannot travel: ``problems`` in the form of ``InvalidArguments.errors``, never empty."""

    def __init__(self, path: Sequence[str | int], reason: str, kind: str = "not_json") -> None:
        self.problems: list[dict[str, Any]] = [{"loc": [_short(part) for part in path], "msg": reason, "type": kind}]
        self.count = 1
        super().__init__(reason)
        self._hide()

    @classmethod
    def of(cls, error: Exception) -> Unfit:
        """``error``, raised by pydantic, a user's class or the interpreter's limits, in one line."""
        if isinstance(error, Unfit):
            return error
        if isinstance(error, ValidationError):
            return cls._of_validation(error)
        if isinstance(error, RecursionError):
            return cls((), "nested too deeply for the stack that is left", "too_deep")
        if isinstance(error, PydanticSerializationError):
            return cls((), _unexpected(_text_of(error, 10 * REASON_LIMIT)), "unexpected_value")
        return cls((), _told(f"{type(error).__name__}: ", _text_of(error)))

    @classmethod
    def _of_validation(cls, error: ValidationError) -> Unfit:
        details = error.errors(include_url=False, include_context=False)[:PROBLEMS_LIMIT]
        unfit = cls((), "")
        unfit.problems = [
            {"loc": [_short(part) for part in detail["loc"]], "msg": _reason(detail), "type": detail["type"]}
            for detail in details
        ]
        unfit.count = error.error_count()
        unfit._hide()
        return unfit

    def under(self, *path: str | int) -> Unfit:
        """The same, of a value that sits at ``path`` of a larger one."""
        for problem in self.problems:
            problem["loc"] = [*path, *problem["loc"]]
        self._hide()
        return self

    def _hide(self) -> None:
        """Quote nothing of a value that sits under a telling key."""
        hides = project_masking().hides
        for problem in self.problems:
            if isinstance(problem["msg"], Quoting) and any(map(hides, problem["loc"])):
                problem["msg"] = problem["msg"].hidden

    def __str__(self) -> str:
        first = self.problems[0]
        where = f"at {pointer(first['loc'])}: " if first["loc"] else ""
        more = f" (and {self.count - 1} more)" if self.count > 1 else ""
        return f"{where}{first['msg']}{more}"


def _text_of(error: Exception, limit: int = REASON_LIMIT) -> str:
    try:
        return one_line(str(error), limit)
    except Exception:  # noqa: BLE001 - a user's __str__ may do anything
        return "its text cannot be read"


def _unexpected(text: str) -> str:
    """What pydantic's serializer says, which knows the last field of the path only, and says it as a warning."""
    if found := _UNEXPECTED.search(text):
        field = f"field {found['field']!r}: " if found["field"] else ""
        value = MASK if project_masking().hides(found["field"]) else found["value"]
        text = f"{field}{found['expected']}, got {value} ({found['type']})"
    return project_masking().text(one_line(text, REASON_LIMIT))


def _told(before: str, text: str) -> Quoting:
    """What somebody else's code says, which may quote the value."""
    told = Quoting(f"{before}{text}")
    told.hidden = f"{before}{MASK}"
    return told


def _short(part: str | int) -> str | int:
    return part if isinstance(part, int) else one_line(part, REASON_LIMIT)


def _reason(detail: Any) -> str:
    message = one_line(detail["msg"], REASON_LIMIT)
    if detail["type"] == "json_invalid":
        return _SURROGATE if "hex escape" in message else message
    if detail["type"] == "missing":
        return message
    given = f" ({type(detail['input']).__name__})"
    quoting = Quoting.of(f"{message}, got ", detail["input"], given)
    if detail["type"] in ("value_error", "assertion_error"):
        quoting.hidden = f"{message.partition(',')[0]}, got {MASK}{given}"
    return quoting
