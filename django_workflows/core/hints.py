"""What a callable's parameters and result are annotated with, as objects and not as texts."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from types import GenericAlias
from typing import Any, Optional

from ..exceptions import InvalidStep
from .excerpts import one_line

RESULT = "return"
_EMPTY = inspect.Parameter.empty


def signature_of(fn: Callable[..., Any]) -> inspect.Signature:
    """``inspect.signature``; ``InvalidStep`` if ``fn`` has none that can be read."""
    try:
        return inspect.signature(fn)
    except (TypeError, ValueError) as error:
        raise InvalidStep(
            f"{one_line(repr(fn), 120)} has no signature that can be read: call it from a function of your own"
        ) from error


def result_type(fn: Callable[..., Any], signature: inspect.Signature) -> Any:
    """What ``fn`` is annotated to return; ``InvalidStep`` if that cannot be resolved."""
    return _resolve(fn, RESULT, signature.return_annotation)


def stored_type(fn: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """The type of what is stored for ``parameter``; ``InvalidStep`` if its annotation cannot be resolved.

    A tuple for ``*args``, a dict for ``**kwargs``; a default of None makes a type optional, as it did in old Python.
    """
    hint = _resolve(fn, parameter.name, parameter.annotation)
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        return GenericAlias(tuple, (Any if hint is _EMPTY else hint, ...))
    if parameter.kind is inspect.Parameter.VAR_KEYWORD:
        return GenericAlias(dict, (str, Any if hint is _EMPTY else hint))
    if parameter.default is None and not any(hint is untyped for untyped in (Any, object, _EMPTY)):
        return Optional[hint]  # noqa: UP045 - `|` is not for every annotation
    return hint


def function_name(fn: Callable[..., Any]) -> str:
    """The dotted name of a callable, for messages."""
    return f"{getattr(fn, '__module__', '?')}.{getattr(fn, '__qualname__', type(fn).__qualname__)}"


def place_name(fn: Callable[..., Any], parameter: str) -> str:
    """A parameter, or the result, of a callable, for messages."""
    return f"{function_name(fn)}: " + ("its result" if parameter == RESULT else f"its parameter {parameter!r}")


def _resolve(fn: Callable[..., Any], parameter: str, annotation: Any) -> Any:
    """``annotation`` without forward references.

    They are resolved one at a time, so that a name that only type checkers import does no harm where nobody needs it:
    a handler's context, for example.
    """
    if annotation is _EMPTY or type(annotation) is type:
        return annotation
    function = inspect.unwrap(fn)
    # get_type_hints reads all the annotations of what it is given, so it is given something that has one.
    holder: Any = lambda: None  # noqa: E731
    holder.__annotations__ = {parameter: annotation}
    holder.__type_params__ = getattr(function, "__type_params__", ())
    try:
        hints = typing.get_type_hints(holder, getattr(function, "__globals__", {}), include_extras=True)
    except NameError as error:
        raise InvalidStep(
            f"{place_name(fn, parameter)}: its annotation {_spelling(annotation)} uses the name {error.name!r}, which "
            "is not there at run time. Import it outside `if TYPE_CHECKING:`, or define it at the top of the module."
        ) from error
    except Exception as error:  # annotations are code, and may raise anything
        raise InvalidStep(
            f"{place_name(fn, parameter)}: its annotation {_spelling(annotation)} cannot be evaluated: "
            f"{type(error).__name__}: {one_line(str(error), 200)}"
        ) from error
    return hints[parameter]


def _spelling(annotation: Any) -> str:
    return one_line(repr(annotation), 100)
