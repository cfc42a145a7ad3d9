"""Finds handler code that would not do the same again on replay, by reading its source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

from django.core.checks import CheckMessage, Warning

from ...core.definitions import Definition
from ...core.registry import registry
from .names import is_a, plain
from .projects import is_project_file
from .reading import Reading, Sighting
from .rules import Rules
from .sources import Sources

_VOUCH = " If {}, say why on that line: # deterministic: <reason>"


def check_handlers(**kwargs: Any) -> list[CheckMessage]:
    """W010 to W018, W044: a registered handler, or a function that it calls, differs on replay or drops a step."""
    inspection = Inspection()
    for definition in registry:
        inspection.inspect(definition)
    return inspection.messages()


class Inspection:
    """Reads handlers, and the functions that they call: all of their own module, and of others one module deep.

    Functions that a handler hands to its steps are not read: they may do anything. Neither is code that is not the
    project's, or whose source cannot be read.
    """

    def __init__(self) -> None:
        self._rules = Rules()
        self._sources = Sources()
        self._read: set[tuple[Any, int]] = set()
        self._found: dict[tuple[str, int, str], CheckMessage] = {}

    def inspect(self, definition: Definition[Any, Any]) -> None:
        waiting = [(function, 0) for function in _layers(definition.handler)]
        while waiting:
            function, hops = waiting.pop()
            if (function.__code__, hops) not in self._read:
                self._read.add((function.__code__, hops))
                waiting.extend(self._inspect(function, hops, definition))

    def messages(self) -> list[CheckMessage]:
        """What was found, by file and line."""
        return [self._found[place] for place in sorted(self._found)]

    def _inspect(
        self, function: FunctionType, hops: int, definition: Definition[Any, Any]
    ) -> Iterator[tuple[FunctionType, int]]:
        source = self._sources.of(function.__code__)
        if source is None:
            return
        try:
            handler = plain(definition.handler)
            reading = Reading(function, source, self._rules, is_handler=function.__code__ is handler.__code__)
        except RecursionError:  # an expression of a thousand terms
            return
        for sighting in reading.sightings:
            self._note(sighting, function, definition)
        for each in reading.calls:
            further = hops + (each.__module__ != function.__module__)
            if further == hops or (further <= 1 and is_project_file(each.__code__.co_filename)):
                yield each, further

    def _note(self, sighting: Sighting, function: FunctionType, definition: Definition[Any, Any]) -> None:
        filename, rule = function.__code__.co_filename, sighting.rule
        inside = function.__code__ is not plain(definition.handler).__code__
        where = f"{definition.name}, in {function.__qualname__}()," if inside else definition.name
        message = Warning(
            f"{where} {rule.what}: {sighting.code}",
            hint=rule.instead + _VOUCH.format(rule.unless),
            obj=f"{_shown(filename)}:{sighting.line}",
            id=f"django_workflows.{rule.id}",
        )
        self._found.setdefault((filename, sighting.line, rule.id), message)


def _layers(handler: Any) -> list[FunctionType]:
    """The handler, and what its decorators wrap."""
    return [
        each for each in {id(each): each for each in (handler, plain(handler))}.values() if is_a(each, FunctionType)
    ]


def _shown(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else filename
