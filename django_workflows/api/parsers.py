"""Reads JSON bodies, and refuses what would break further in: too large, too deep, no Unicode, not finite."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import IO, Any, NoReturn

from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

from ..conf import settings
from ..core.payloads import MAX_DEPTH
from .pointers import pointer
from .renderers import PlainRenderer

# Takes a string without its end as well, so that no text makes it look at a character twice.
_PIECE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)
#: The body itself is an object or two around a payload.
_DEPTH = MAX_DEPTH + 2


class BodyTooLarge(APIException):
    """A body of more than ``API_MAX_BODY_BYTES``."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "body_too_large"

    def __init__(self) -> None:
        super().__init__(f"The body has more than {settings.API_MAX_BODY_BYTES:,} bytes.")


class JSONBodyParser(BaseParser):
    """JSON as RFC 8259 has it, in UTF-8. ``ParseError`` says what is wrong; keys that stand twice are."""

    media_type = "application/json"
    renderer_class = PlainRenderer  # fills in the form of the browsable API

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        raw = stream.read(settings.API_MAX_BODY_BYTES + 1)
        if len(raw) > settings.API_MAX_BODY_BYTES:
            raise BodyTooLarge
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise ParseError(f"The body is not UTF-8: {error.reason} at byte {error.start}.") from None
        value = _parse(text)
        # Only an escape can bring these into a text that was UTF-8.
        if "\\u0000" in text or "\\ud" in text.lower():
            _refuse_texts(value)
        return value


def _parse(text: str) -> Any:
    if _too_deep(text):
        raise ParseError(f"The body is nested more than {_DEPTH} levels deep.")
    try:
        return json.loads(
            text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_without_duplicates
        )
    except json.JSONDecodeError as error:
        raise ParseError(f"The body is no JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    except (ValueError, RecursionError) as error:
        raise ParseError(f"The body is no JSON: {error!s:.200}.") from None


def _too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= _DEPTH:
        return False
    depth = 0
    for piece in _PIECE.finditer(text):
        first = piece[0][0]
        if first in "[{":
            depth += 1
            if depth > _DEPTH:
                return True
        elif first != '"':
            depth -= 1
    return False


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is larger than any number that can be kept")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:80]!r} stands twice in one object")
    return found


def _refuse_texts(value: Any) -> None:
    for path, text in _texts(value, ()):
        if "\x00" in text:
            raise ParseError(f"The text at {pointer(path)} holds a NUL character.")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ParseError(f"The text at {pointer(path)} holds one half of a surrogate pair.")


def _texts(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield path, key
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))
