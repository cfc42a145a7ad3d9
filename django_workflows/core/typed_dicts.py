"""Lets ``typing.TypedDict`` be used before Python 3.12, where pydantic only takes that of ``typing_extensions``.

In a pydantic model it cannot be helped: there pydantic says so itself, when the model is defined.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import sys
import types
import typing
from typing import Any, get_args, get_origin

import typing_extensions


def portable(annotation: Any) -> Any:
    """``annotation`` with each ``typing.TypedDict`` in it, also in its own fields, replaced by an equal one.

    Those in the fields of dataclasses and named tuples, which cannot be replaced, are told to be taken as such a one.
    """
    return annotation if sys.version_info >= (3, 12) else _replaced(annotation)


def _replaced(annotation: Any) -> Any:
    if typing.is_typeddict(annotation):
        return _twin(annotation)
    if isinstance(annotation, type):
        _tell_fields(annotation)
    arguments = get_args(annotation)
    if not arguments or get_origin(annotation) is typing.Literal:
        return annotation
    replaced = tuple(_replaced(argument) for argument in arguments)
    if all(new is old for new, old in zip(replaced, arguments, strict=True)):
        return annotation
    if isinstance(annotation, types.UnionType):
        return functools.reduce(operator.or_, replaced)
    if get_origin(annotation) is typing.Annotated:
        return typing.Annotated[replaced]
    return annotation.copy_with(replaced) if hasattr(annotation, "copy_with") else get_origin(annotation)[replaced]


_told: set[type] = set()


def _tell_fields(cls: type) -> None:
    if cls in _told:
        return
    _told.add(cls)
    if not dataclasses.is_dataclass(cls) and not (issubclass(cls, tuple) and hasattr(cls, "_fields")):
        return
    try:
        hints = typing_extensions.get_type_hints(cls, include_extras=True)
    except (NameError, TypeError):
        return  # pydantic will say what it cannot find
    for hint in hints.values():
        _tell(hint)


def _tell(annotation: Any) -> None:
    """Have pydantic ask each ``typing.TypedDict`` in there for its schema, which is that of its twin."""
    if typing.is_typeddict(annotation) and _twin(annotation) is not annotation:
        twin = _twin(annotation)
        annotation.__get_pydantic_core_schema__ = classmethod(
            lambda cls, source, handler: handler.generate_schema(twin)
        )
    elif isinstance(annotation, type):
        _tell_fields(annotation)
    for argument in get_args(annotation):
        _tell(argument)


def _schema_of_twin(cls: Any, _source: Any, handler: Any) -> Any:
    return handler.generate_schema(_twin(cls))


@functools.cache
def _twin(cls: Any) -> Any:
    if type(cls).__module__ != "typing":
        return cls
    hints = typing_extensions.get_type_hints(cls, include_extras=True)
    fields = {
        name: typing_extensions.NotRequired[_replaced(_bare(hint))]
        if name in cls.__optional_keys__
        else typing_extensions.Required[_replaced(_bare(hint))]
        for name, hint in hints.items()
    }
    make: Any = typing_extensions.TypedDict
    twin = make(cls.__name__, fields)
    twin.__module__, twin.__doc__ = cls.__module__, cls.__doc__
    return twin


def _bare(hint: Any) -> Any:
    origin = get_origin(hint)
    return get_args(hint)[0] if origin in (typing_extensions.Required, typing_extensions.NotRequired) else hint
