"""What can be started from outside: the definitions marked ``api=True``, with their schemas."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from ..core.definitions import Definition
from ..core.events import EventDefinition
from ..core.registry import registry
from ..exceptions import DefinitionNotFound, WorkflowError


def exposed() -> Iterator[Definition[Any, Any]]:
    """Those that a client may start, by name."""
    return (definition for definition in registry if definition.api)


def find(name: str) -> Definition[Any, Any]:
    """The exposed definition; ``DefinitionNotFound`` for any other, so that nobody can tell whether there is one."""
    definition = registry.get(name)
    if definition is None or not definition.api:
        raise DefinitionNotFound(f"No workflow of the name {name[:200]!r} can be started from here.")
    return definition


def definition_document(definition: Definition[Any, Any], links: dict[str, str]) -> dict[str, Any]:
    """What there is to know before starting one. A type that has no schema allows anything."""
    return {
        "name": definition.name,
        "doc": inspect.cleandoc(definition.handler.__doc__ or ""),
        "arguments": arguments_schema(definition),
        "result": result_schema(definition),
        "events": [{"name": event.name, "schema": event.codec.json_schema()} for event in awaited_events(definition)],
        "links": links,
    }


def arguments_schema(definition: Definition[Any, Any]) -> dict[str, Any]:
    try:
        return definition.signature.json_schema()
    except WorkflowError:
        return {"type": "object"}


def result_schema(definition: Definition[Any, Any]) -> dict[str, Any]:
    try:
        return definition.signature.result_schema()
    except WorkflowError:
        return {}


def awaited_events(definition: Definition[Any, Any]) -> list[EventDefinition[Any]]:
    """The events that the handler's code names. Those that it names by a text, or elsewhere, are not seen."""
    handler = inspect.unwrap(definition.handler)
    seen: dict[str, EventDefinition[Any]] = {}
    for name in handler.__code__.co_names:
        value = handler.__globals__.get(name)
        if isinstance(value, EventDefinition):
            seen.setdefault(value.name, value)
    return sorted(seen.values(), key=lambda event: event.name)
