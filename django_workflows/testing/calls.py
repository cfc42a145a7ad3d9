"""How a step function was called, comparable with ``unittest.mock.call``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self
from unittest.mock import _Call

from ..core.definitions import Definition


def signature_of(fn: Callable[..., Any] | Definition[Any, Any]) -> inspect.Signature:
    """The parameters of a step function, or those of a workflow's handler without the context."""
    if not isinstance(fn, Definition):
        # What runs an enqueued task takes any arguments, so that it is called as Django calls it.
        return getattr(fn, "task_signature", None) or inspect.signature(fn)
    signature = inspect.signature(fn.handler)
    return signature.replace(parameters=list(signature.parameters.values())[1:])


class RecordedCall(_Call):
    """A call. Equal to every ``call(...)`` that means the same to the function: by position, by name, or by default."""

    _signature: inspect.Signature

    def __new__(cls, signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Self:
        bound = signature.bind(*args, **kwargs)
        made = super().__new__(cls, ("", bound.args, bound.kwargs), name="()")
        made._signature = signature
        return made

    def __init__(self, signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        super().__init__(name="()")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Call):
            return bool(super().__eq__(other))
        try:
            return _bound(self._signature, self) == _bound(self._signature, other)
        except TypeError:
            return False

    __hash__ = None


def _bound(signature: inspect.Signature, made: Any) -> dict[str, Any]:
    bound = signature.bind(*made.args, **made.kwargs)
    bound.apply_defaults()
    return bound.arguments


def fitting(
    fake: Callable[..., Any], signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """The arguments of a call in a form that ``fake`` takes.

    By name where its parameters have the names of the real ones, else by position; as given, or without those that are
    the real one's defaults, or with all of these. If nothing fits, or nobody knows, by position as given.
    """
    given = signature.bind(*args, **kwargs)
    try:
        takes = inspect.signature(fake)
    except (TypeError, ValueError):
        return given.args, given.kwargs
    for form in _forms(takes, given):
        try:
            takes.bind(*form[0], **form[1])
        except TypeError:
            continue
        return form
    return given.args, given.kwargs


def _forms(
    takes: inspect.Signature, given: inspect.BoundArguments
) -> Iterator[tuple[Sequence[Any], Mapping[str, Any]]]:
    for bound in (given, _without_defaults(given), _with_defaults(given)):
        by_name: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            by_name |= value if bound.signature.parameters[name].kind is _EXTRA else {name: value}
        if takes.parameters.keys() >= by_name.keys():
            yield (), by_name
        yield bound.args, bound.kwargs
        yield (), by_name


_EXTRA = inspect.Parameter.VAR_KEYWORD


def _without_defaults(given: inspect.BoundArguments) -> inspect.BoundArguments:
    parameters = given.signature.parameters
    needed = {name: value for name, value in given.arguments.items() if value != parameters[name].default}
    return inspect.BoundArguments(given.signature, needed)


def _with_defaults(given: inspect.BoundArguments) -> inspect.BoundArguments:
    complete = inspect.BoundArguments(given.signature, dict(given.arguments))
    complete.apply_defaults()
    return complete
