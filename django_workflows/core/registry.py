"""Which definitions and step functions this process knows; only code puts them here, never a database row."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..exceptions import DefinitionNotFound, DuplicateDefinition
from .definitions import Definition
from .pools import PoolLimits


def _place(definition: Definition[Any, Any]) -> tuple[str, int]:
    # Behind a decorator all handlers would be in the decorator's place.
    code = inspect.unwrap(definition.handler).__code__
    return code.co_filename, code.co_firstlineno


def _duplicate(name: str, places: str) -> DuplicateDefinition:
    return DuplicateDefinition(
        f"two workflows are named {name!r}: {places}. Give one of them another name: @workflow.define(name=...)"
    )


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
        #: Names that two handlers have, with both places. Nothing is found under such a name.
        self.duplicates: dict[str, str] = {}
        #: Asked for a definition that is not known, by its name: code that was not imported yet may have it.
        self.finders: list[Callable[[str], None]] = []
        self._managers: dict[str, int] = {}
        self._notes_duplicates = False

    def add(self, definition: Definition[Any, Any]) -> None:
        """Register; ``DuplicateDefinition`` if another handler has that name. A reloaded module replaces its own."""
        known = self._definitions.get(definition.name)
        if known is None or _place(known) == _place(definition):
            self._definitions[definition.name] = definition
            return
        places = " and ".join("{}:{}".format(*_place(each)) for each in (known, definition))
        if not self._notes_duplicates:
            raise _duplicate(definition.name, places)
        self.duplicates.setdefault(definition.name, places)

    @contextmanager
    def noting_duplicates(self) -> Iterator[None]:
        """Meanwhile a second handler of one name is noted in ``duplicates`` instead of refused."""
        self._notes_duplicates = True
        try:
            yield
        finally:
            self._notes_duplicates = False

    def refuse_duplicate(self, name: str) -> None:
        """``DuplicateDefinition`` where two handlers have that name: nobody could say which one is meant."""
        if name in self.duplicates:
            raise _duplicate(name, self.duplicates[name])

    def new_pool_name(self, module: str) -> str:
        """A name for a manager of that module: the module's, and numbered from the second one on."""
        count = self._managers[module] = self._managers.get(module, 0) + 1
        return module if count == 1 else f"{module}#{count}"

    def __contains__(self, definition: object) -> bool:
        """Whether it is what its name means here, without looking for it elsewhere."""
        return isinstance(definition, Definition) and self._definitions.get(definition.name) is definition

    def remove(self, name: str) -> None:
        self._definitions.pop(name, None)

    def get(self, name: str) -> Definition[Any, Any] | None:
        return None if name in self.duplicates else self._definitions.get(name) or self._found(name)

    def find(self, name: str) -> Definition[Any, Any]:
        """The definition of that name; ``DefinitionNotFound`` with the nearest names, or ``DuplicateDefinition``."""
        self.refuse_duplicate(name)
        definition = self._definitions.get(name) or self._found(name)
        if definition is None:
            near = difflib.get_close_matches(str(name), self._definitions, n=3)
            hint = f"Did you mean {' or '.join(near)}?" if near else "Is its app in INSTALLED_APPS?"
            raise DefinitionNotFound(
                f"no workflow is defined under the name {name!r:.250}. {hint} "
                "(Definitions are found in each installed app's workflows.py.)"
            )
        return definition

    def _found(self, name: str) -> Definition[Any, Any] | None:
        for find in self.finders:
            find(name)
        return self._definitions.get(name)

    def __iter__(self) -> Iterator[Definition[Any, Any]]:
        unique = (each for name, each in self._definitions.items() if name not in self.duplicates)
        return iter(sorted(unique, key=lambda definition: definition.name))


registry = Registry()
