"""Plain JSON as journals keep it: canonical text that every database takes, and why a value has none."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from json.encoder import encode_basestring
from typing import Any, NoReturn

from .excerpts import preview
from .unfit import Quoting, Unfit

#: How deep lists and objects may be nested. Every level costs a level of the interpreter's stack when it is written
#: or read (json, pydantic, and a comparison), and Python 3.11 counts these as frames: a value that was written near
#: the bottom of a stack must still be readable by a handler that has called itself a few hundred times.
MAX_DEPTH = 100

Path = tuple[str | int, ...]

_SURROGATE = re.compile("[\ud800-\udfff]")
_LEAF = re.compile(r"\[\]|\{\}")
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')
_NO_BRACKETS = {code: None for code in range(128) if chr(code) not in "[]{}"}
_ANNOTATE = "annotate its type, so that it comes back as what it is"


def to_text(value: Any) -> str:
    """The canonical text of a JSON value: no white space, keys in their order. ``Unfit`` if there is none.

    Letters stand as they are, control characters and lone surrogates, which no database takes, escaped. Older versions
    escaped all that is not ASCII: compare such texts by ``same_json``.
    """
    try:
        text = _encode(value)
    except Exception as error:  # noqa: BLE001 - a user's class may do anything, and RecursionError is one
        raise find_fault(value) or Unfit.of(error) from None
    if _too_deep(text):
        raise _too_deep_fault()
    return text if text.isascii() else _storable(text)


def size_of(text: str) -> int:
    """How many bytes a stored text takes, as databases and people count them: in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def from_text(text: str) -> Any:
    """The value of a JSON text. ``Unfit`` if it is none, or cannot be read on what is left of the stack."""
    try:
        value, end = _scan(text, 0)
        if end == len(text):
            return value
    except (StopIteration, ValueError, RecursionError):
        pass  # it is not as we write it; what is wrong with it, if anything, is said below
    try:
        return _decode(text)
    except (ValueError, RecursionError) as error:
        raise Unfit.of(error) from None


def scalar_text(value: Any) -> str:
    """``to_text`` of an instance of exactly one of ``SCALARS``, several times faster."""
    try:
        return _SCALAR_TEXT[type(value)](value)
    except ValueError:
        raise find_fault(value) or Unfit((), Quoting.of("", value)) from None


def same_json(a: str, b: str) -> bool:
    """Whether two texts are one JSON value. Keys may differ in order; ``1``, ``1.0`` and ``true`` are three values.

    A text that is no JSON is the same as itself only.
    """
    if a == b:
        return True
    try:
        return _sorted(_decode(a)) == _sorted(_decode(b))
    except (ValueError, RecursionError):
        return False


def find_fault(value: Any) -> Unfit | None:
    """What in ``value`` plain JSON cannot carry, and where; ``None`` when nothing. Tuples pass as lists."""
    try:
        return next(_faults(value, (), ()), None)
    except Exception as error:  # noqa: BLE001 - as in to_text
        return Unfit.of(error)


def _faults(value: Any, path: Path, parents: tuple[int, ...]) -> Iterator[Unfit]:
    if isinstance(value, (dict, list, tuple)):
        yield from _faults_inside(value, path, parents)
    elif not isinstance(value, (str, int, float, type(None))):
        yield Unfit(path, Quoting.of("", value, f" ({type(value).__name__}) has no place in JSON: {_ANNOTATE}"))
    elif isinstance(value, float) and not math.isfinite(value):
        yield Unfit(path, f"{float(value)!r} is a number that JSON does not have", "finite_number")
    elif isinstance(value, int) and _too_long(value):
        yield Unfit(path, "an integer of too many digits to be written as text", "int_too_long")


def _faults_inside(
    value: dict[Any, Any] | list[Any] | tuple[Any, ...], path: Path, parents: tuple[int, ...]
) -> Iterator[Unfit]:
    if id(value) in parents:
        yield Unfit(path, f"a {type(value).__name__} that holds itself", "circular")
    elif len(parents) >= MAX_DEPTH:
        yield _too_deep_fault()
    else:
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(value, dict) and not isinstance(key, str):
                yield _bad_key(key, path)
            else:
                yield from _faults(item, (*path, key), (*parents, id(value)))


def _bad_key(key: Any, path: Path) -> Unfit:
    return Unfit(
        path,
        f"a dict with the key {preview(key, 40)} ({type(key).__name__}), and keys in JSON are text: {_ANNOTATE}",
        "not_text_key",
    )


def _too_deep_fault() -> Unfit:
    return Unfit((), f"nested more than {MAX_DEPTH} levels deep", "too_deep")


def _too_long(value: int) -> bool:
    try:
        int.__repr__(value)
    except ValueError:
        return True
    return False


def _too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    brackets = _STRING.sub("", text).translate(_NO_BRACKETS)
    # Each round takes the innermost level away, at the speed of C.
    for _ in range(MAX_DEPTH):
        brackets = _LEAF.sub("", brackets)
        if not brackets:
            return False
    return True


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _storable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text


def _string_text(value: str) -> str:
    text = encode_basestring(value)
    return text if text.isascii() else _storable(text)


def _float_text(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError("not finite")
    return float.__repr__(value)


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_decoder: Any = json.JSONDecoder(parse_constant=_refuse_constant)
_decode = _decoder.decode
#: The same without looking for white space around the value, of which canonical text has none.
_scan = _decoder.scan_once
_sorted = json.JSONEncoder(sort_keys=True).encode

_SCALAR_TEXT: dict[type, Callable[[Any], str]] = {
    str: _string_text,
    int: int.__repr__,
    float: _float_text,
    bool: lambda value: "true" if value else "false",
    type(None): lambda _: "null",
}
SCALARS = frozenset(_SCALAR_TEXT)
