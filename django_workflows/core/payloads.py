"""Which codec an annotation gets; and the way in to all that turns values into text."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from types import GenericAlias
from typing import Any, Never, NoReturn, get_args, get_origin

from .codec import PLAIN, Codec
from .excerpts import sanitize_text
from .plain_json import MAX_DEPTH, same_json
from .typed_codec import TypedCodec
from .typed_dicts import portable

__all__ = ["MAX_DEPTH", "Codec", "codec_for", "register_codec", "same_json", "sanitize_text"]

_UNTYPED = (Any, object, inspect.Parameter.empty, Never, NoReturn)
_registered: list[tuple[Callable[[Any], bool], Callable[[Any], Codec[Any]]]] = []


def register_codec(matches: Callable[[Any], bool], make: Callable[[Any], Codec[Any]]) -> None:
    """Let ``make(annotation)`` give the codec of every annotation that ``matches``; asked before anything else.

    ``matches`` is given whole annotations: a codec for ``User`` has to match ``User | None`` by itself, and a ``User``
    inside another type stays pydantic's. Register at start-up, for codecs that were handed out are not replaced.
    """
    _registered.append((matches, make))
    _cached_codec.cache_clear()


def codec_for(annotation: Any) -> Codec[Any]:
    """The codec of ``annotation``, made once. No annotation, ``Any`` and ``object`` mean any JSON value.

    ``InvalidStep`` if it is a type that pydantic does not know, or whose values can be read only once.
    """
    try:
        hash(annotation)
    except TypeError:
        return _make_codec(annotation)
    # `int | str` equals `str | int` but need not decode alike: whichever was asked for first must not win.
    return _cached_codec(annotation, repr(annotation))


@lru_cache(maxsize=4096)
def _cached_codec(annotation: Any, _spelling: str) -> Codec[Any]:
    return _make_codec(annotation)


def _make_codec(annotation: Any) -> Codec[Any]:
    for matches, make in _registered:
        if matches(annotation):
            return make(annotation)
    if any(annotation is untyped for untyped in _UNTYPED):
        return PLAIN
    if any((get_origin(annotation) or annotation) is each for each in (Iterable, Collection)):
        member = (get_args(annotation) or (Any,))[0]
        return TypedCodec(GenericAlias(list, (member,)))
    return TypedCodec(portable(annotation))


def loaded(text: str | None) -> Any:
    """The value of a payload; the text itself where somebody damaged it."""
    try:
        return None if text is None else json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
