"""Whether a value came back from its JSON as what it was."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime, time
from enum import Enum
from typing import Any

from pydantic import BaseModel

from .masking import MASK
from .plain_json import Path, find_fault, to_text
from .unfit import Quoting, Unfit, masked_preview

_ARRAYS = (list, tuple, deque)
_SETS = (set, frozenset)


def find_loss(sent: Any, back: Any, *, by_type: bool) -> Unfit | None:
    """What ``sent`` lost on its way to ``back``, and where; ``None`` when nothing.

    Equal is enough, and a tuple may come back as a list. ``by_type`` (for unions, where the type is what tells the
    members apart) asks for the type as well; only an int may then come back as a float, and a subclass of a builtin
    type as that type. Objects that compare by identity are trusted when their types agree.
    """
    try:
        if not by_type and type(sent) is type(back) and sent == back:
            return None
    except Exception:  # noqa: BLE001, S110 - a user's __eq__ may do anything; the parts are compared instead
        pass
    return next(_losses(sent, back, (), by_type), None)


def canonical_sets(value: Any, jsonable: Any) -> Any:
    """``jsonable``, which pydantic made of ``value``, with the members of every set in the order of their texts.

    A set of texts has another order in each process, and would look like another argument there.
    """
    if isinstance(value, _SETS) and isinstance(jsonable, list):
        return sorted((canonical_sets(*pair) for pair in zip(value, jsonable, strict=True)), key=to_text)
    if isinstance(value, _ARRAYS) and isinstance(jsonable, list) and len(value) == len(jsonable):
        return [canonical_sets(*pair) for pair in zip(value, jsonable, strict=True)]
    if not isinstance(jsonable, dict):
        return jsonable
    if isinstance(value, dict) and value.keys() != jsonable.keys() and len(value) == len(jsonable):
        pairs = zip(value.values(), jsonable.items(), strict=True)
        return {key: canonical_sets(item, part) for item, (key, part) in pairs}
    named = value if isinstance(value, dict) else dict(parts_of(value) or ())
    return {key: canonical_sets(named[key], part) if key in named else part for key, part in jsonable.items()}


def _losses(sent: Any, back: Any, path: Path, by_type: bool) -> Iterator[Unfit]:
    if by_type and not _same_type(sent, back):
        yield _changed(sent, back, path, by_type)
    elif isinstance(sent, dict) and isinstance(back, dict):
        yield from _losses_in_dict(sent, back, path, by_type)
    elif isinstance(sent, _ARRAYS) and isinstance(back, _ARRAYS) and len(sent) == len(back):
        for index, pair in enumerate(zip(sent, back, strict=True)):
            yield from _losses(*pair, (*path, index), by_type)
    elif type(sent) is type(back) and (parts := parts_of(sent)) is not None:
        there = dict(parts_of(back) or ())
        for name, value in parts:
            yield from _losses(value, there.get(name), (*path, name), by_type)
    elif not _equal(sent, back):
        yield _changed(sent, back, path, by_type)


def _losses_in_dict(sent: dict[Any, Any], back: dict[Any, Any], path: Path, by_type: bool) -> Iterator[Unfit]:
    if sent.keys() != back.keys():
        fault = find_fault(dict.fromkeys(sent))
        yield fault.under(*path) if fault else _changed(sent, back, path, by_type)
    else:
        for key, value in sent.items():
            yield from _losses(value, back[key], (*path, key if isinstance(key, int) else str(key)), by_type)


def parts_of(value: Any) -> list[tuple[str, Any]] | None:
    """The fields that make up a dataclass or model instance; ``None`` for anything else."""
    if isinstance(value, BaseModel):
        own = [(name, getattr(value, name)) for name in type(value).model_fields]
        return [*own, *(value.model_extra or {}).items()]
    if is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name, None)) for field in fields(value)]
    return None


def _same_type(sent: Any, back: Any) -> bool:
    if type(sent) is type(back) or (type(sent) is int and type(back) is float):
        return True
    return type(back) in (str, int, float, list, dict) and isinstance(sent, type(back)) and not isinstance(sent, Enum)


def _equal(sent: Any, back: Any) -> bool:
    if isinstance(sent, (datetime, time)) and isinstance(back, (datetime, time)) and sent.tzinfo is not None:
        # Python calls instants of two zones unequal within an hour that a clock change repeats or skips.
        return sent.utcoffset() == back.utcoffset() and sent.replace(tzinfo=None) == back.replace(tzinfo=None)
    try:
        return bool(sent == back) or (type(sent) is type(back) and _compares_by_identity(sent))
    except Exception:  # noqa: BLE001 - a user's __eq__ may do anything
        return False


def _compares_by_identity(value: Any) -> bool:
    equality: Any = type(value).__eq__
    return equality is object.__eq__


def _changed(sent: Any, back: Any, path: Path, by_type: bool) -> Unfit:
    if isinstance(sent, float) and (fault := find_fault(sent)):
        return Unfit(path, fault.problems[0]["msg"], fault.problems[0]["type"])
    was, becomes = type(sent).__name__, type(back).__name__
    if type(sent) is type(back):
        hint = "its JSON does not hold all of it"
    elif by_type:
        hint = "in JSON the members of the union look the same; tell them apart, by a Literal field for example"
    elif isinstance(sent, type(back)):
        hint = f"annotate {was}, or a union of the two"
    else:
        hint = "annotate its type"
    told = Quoting(f"{masked_preview(sent)} ({was}) would come back as {masked_preview(back)} ({becomes}): {hint}")
    told.hidden = f"{MASK} ({was}) would come back as {MASK} ({becomes}): {hint}"
    return Unfit(path, told, "changed")
