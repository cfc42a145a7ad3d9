"""Which definitions and step functions this process knows; only code puts them here, never a database row."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from ..exceptions import DefinitionNotFound, DuplicateDefinition
from .definitions import Definition
from .pools import PoolLimits


def _place(definition: Definition[Any, Any]) -> tuple[str, int]:
    # Behind a decorator all handlers would be in the decorator's place.
    code = inspect.unwrap(definition.handler).__code__
    return code.co_filename, code.co_firstlineno


class Registry:
    """Definitions by name, the step functions that their handlers have asked for, and callbacks by dotted path."""

    def __init__(self) -> None:
        self._definitions: dict[str, Definition[Any, Any]] = {}
        #: Functions that may be an ``on_complete`` whoever wrote the row, by dotted path.
        self.callbacks: dict[str, Callable[..., Any]] = {}
        #: Step functions by the definition whose code asked for them, and dotted path.
        self.functions: dict[tuple[str, str], Callable[..., Any]] = {}
        #: What limits each pool, as the code says.
        self.pools: dict[str, PoolLimits] = {}
        self._managers: dict[str, int] = {}

    def add(self, definition: Definition[Any, Any]) -> None:
        """Register; ``DuplicateDefinition`` if another handler has that name. A reloaded module replaces its own."""
        known = self._definitions.get(definition.name)
        if known is not None and _place(known) != _place(definition):
            raise DuplicateDefinition(
                f"two workflows are named {definition.name!r}: {'{}:{}'.format(*_place(known))} and "
                f"{'{}:{}'.format(*_place(definition))}. Give one of them another name: @workflow.define(name=...)"
            )
        self._definitions[definition.name] = definition

    def new_pool_name(self, module: str) -> str:
        """A name for a manager of that module: the module's, and numbered from the second one on."""
        count = self._managers[module] = self._managers.get(module, 0) + 1
        return module if count == 1 else f"{module}#{count}"

    def remove(self, name: str) -> None:
        self._definitions.pop(name, None)

    def get(self, name: str) -> Definition[Any, Any] | None:
        return self._definitions.get(name)

    def find(self, name: str) -> Definition[Any, Any]:
        """The definition of that name; ``DefinitionNotFound`` with the nearest names otherwise."""
        definition = self._definitions.get(name)
        if definition is None:
            near = difflib.get_close_matches(str(name), self._definitions, n=3)
            hint = f"Did you mean {' or '.join(near)}?" if near else "Is its app in INSTALLED_APPS?"
            raise DefinitionNotFound(
                f"no workflow is defined under the name {name!r:.250}. {hint} "
                "(Definitions are found in each installed app's workflows.py.)"
            )
        return definition

    def __iter__(self) -> Iterator[Definition[Any, Any]]:
        return iter(sorted(self._definitions.values(), key=lambda definition: definition.name))


registry = Registry()
