"""Which argument belongs to which parameter, and what is wrong with a call that does not fit."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from inspect import Parameter
from itertools import islice
from typing import Any

from .excerpts import one_line
from .unfit import PROBLEMS_LIMIT

NAME_LIMIT = 80

_BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BY_KEYWORD = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


class BadCall(ValueError):
    """Arguments that do not fit the parameters: ``problems`` in the form of ``InvalidArguments.errors``."""

    def __init__(self, problems: list[dict[str, Any]]) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{problems[0]['msg']}{more}")
        self.problems = problems


class Parameters:
    """The parameters of one callable. Bound arguments are a dict by parameter name, in the parameters' order.

    What ``*args`` took is a tuple under its own name, what ``**kwargs`` took a dict under its own; both are left out
    when they took nothing.
    """

    def __init__(self, parameters: Iterable[Parameter], *, first_by_position: bool = False) -> None:
        self.all = {parameter.name: parameter for parameter in parameters}
        self.positional = [name for name, parameter in self.all.items() if parameter.kind in _BY_POSITION]
        self.by_keyword = {name for name, parameter in self.all.items() if parameter.kind in _BY_KEYWORD}
        self.rest = self._only(Parameter.VAR_POSITIONAL)
        self.extra = self._only(Parameter.VAR_KEYWORD)
        self.defaults = {
            name: parameter.default for name, parameter in self.all.items() if parameter.default is not Parameter.empty
        }
        #: Whether the callable looks at its first argument where it stands, as ``functools.singledispatch`` does.
        self.first_by_position = first_by_position
        #: Whether each can be given by its name, and none takes what is left.
        self.plain = len(self.by_keyword) == len(self.all)
        self.required = self.all.keys() - self.defaults.keys() - {self.rest, self.extra}

    def _only(self, kind: inspect._ParameterKind) -> str | None:
        return next((name for name, parameter in self.all.items() if parameter.kind is kind), None)

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call; ``BadCall`` lists everything that is wrong with it."""
        bound = dict(zip(self.positional, args, strict=False))
        if len(args) == len(self.all) == len(bound) and not kwargs:
            return bound
        problems = []
        if len(args) > len(self.positional):
            if self.rest is None:
                problems.append(self._too_many(len(args)))
            else:
                bound[self.rest] = tuple(args[len(self.positional) :])
        if kwargs:
            problems += self._bind_keywords(kwargs, bound)
        return self._complete(bound, problems)

    def bind_names(self, arguments: Any) -> dict[str, Any]:
        """Arguments by the names of their parameters. Other names go to ``**kwargs``; ``BadCall`` if there is none.

        ``*args`` and ``**kwargs`` may also be given whole, as a list and a dict, under their own names.
        """
        if not isinstance(arguments, Mapping):
            raise BadCall([_no_names(arguments)])
        bound = {name: value for name, value in arguments.items() if name in self.all}
        others = {name: value for name, value in arguments.items() if name not in self.all}
        problems = []
        if self.extra is None:
            problems = self._unknown(others)
        elif isinstance(extra := bound.get(self.extra, {}), Mapping):
            problems = [_twice(name) for name in extra if name in self.by_keyword or name in others]
            if others:
                bound[self.extra] = {**extra, **others}
        return self._complete(bound, problems)

    def check_stored(self, bound: Any) -> None:
        """``BadCall`` unless the callable, as it is now, can be called with what was bound to it once."""
        if not isinstance(bound, dict):
            raise BadCall([_no_names(bound)])
        if bound.keys() == self.all.keys():
            return
        self._complete(bound, self._unknown(name for name in bound if name not in self.all))

    def call(self, bound: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """``args`` and ``kwargs`` that bind to ``bound``. A default is given only where ``*args`` needs it."""
        if self.plain and not self.first_by_position:
            return (), dict(bound)
        rest = tuple(bound.get(self.rest, ())) if self.rest else ()
        by_place = self.positional if rest else self._positional_only(bound)
        args = [bound[name] if name in bound else self.defaults[name] for name in by_place]
        kwargs = {name: value for name, value in bound.items() if name in self.by_keyword and name not in by_place}
        return (*args, *rest), {**kwargs, **(bound.get(self.extra, {}) if self.extra else {})}

    def _positional_only(self, bound: Mapping[str, Any]) -> list[str]:
        names = [name for name in self.positional if name not in self.by_keyword]
        if self.first_by_position and not names:
            names = self.positional[:1]
        while names and names[-1] not in bound:
            names.pop()
        return names

    def _bind_keywords(self, kwargs: Mapping[str, Any], bound: dict[str, Any]) -> list[dict[str, Any]]:
        problems, extra = [], {}
        for name, value in kwargs.items():
            if name not in self.by_keyword:
                extra[name] = value
            elif name in bound:
                problems.append(_twice(name))
            else:
                bound[name] = value
        if extra and self.extra is not None:
            bound[self.extra] = extra
            extra = {}
        return problems + self._unknown(extra)

    def _complete(self, bound: dict[str, Any], problems: list[dict[str, Any]]) -> dict[str, Any]:
        if missing := self.required - bound.keys():
            problems += [
                _problem(name, f"the argument {name!r} is missing", "missing_argument")
                for name in self.all
                if name in missing
            ]
        if problems:
            raise BadCall(problems)
        return {name: bound[name] for name in self.all if name in bound}

    def _too_many(self, count: int) -> dict[str, Any]:
        takes = len(self.positional)
        return {
            "loc": [takes],
            "msg": f"{count} positional arguments are given, and {takes} are taken",
            "type": "unexpected_positional_argument",
        }

    def _unknown(self, names: Iterable[Any]) -> list[dict[str, Any]]:
        # Names may come from a client: neither their number nor their length must cost much.
        problems = []
        for name in islice(names, PROBLEMS_LIMIT):
            shown = one_line(str(name), NAME_LIMIT)
            near = difflib.get_close_matches(shown, list(self.all), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(self.all) or 'none'}"
            message = f"there is no parameter {shown!r}; {hint}"
            problems.append(_problem(shown, message, "unexpected_keyword_argument"))
        return problems


def _no_names(value: Any) -> dict[str, Any]:
    message = f"arguments are given by name, in a dict or JSON object, and this is a {type(value).__name__}"
    return {"loc": [], "msg": message, "type": "dict_type"}


def _problem(name: str, message: str, kind: str) -> dict[str, Any]:
    return {"loc": [name], "msg": message, "type": kind}


def _twice(name: str) -> dict[str, Any]:
    return _problem(name, f"the argument {name!r} is given twice", "multiple_argument_values")
