"""What an event is: a name and the type of its value."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload
from uuid import UUID

from .commands import check_name
from .payloads import Codec, codec_for

if TYPE_CHECKING:
    from typing_extensions import TypeForm

T = TypeVar("T")


@dataclass(frozen=True)
class EventDefinition(Generic[T]):
    """A named event whose values are of type ``type``: any type that pydantic knows, unions of models included.

    ``reference`` is where it was defined, as the journal keeps it: of two that share a name each has its own.
    """

    name: str
    type: Any = Any
    reference: str = field(default="", compare=False)

    @property
    def codec(self) -> Codec[T]:
        return codec_for(self.type)


@overload
def define_event(name: str) -> EventDefinition[Any]: ...
@overload
def define_event(name: str, type: type[T]) -> EventDefinition[T]: ...
@overload
def define_event(name: str, type: TypeForm[T]) -> EventDefinition[T]: ...
def define_event(name: str, type: Any = Any) -> EventDefinition[Any]:
    """Define an event by its name and the type of its value.

    The value is validated when it is sent. Several modules may use one name with types of their own: which type is
    meant depends on the workflow that waits. ``InvalidStep`` if the name is not 1 to 200 printable characters.
    """
    check_name(name, what="the name of an event")
    place = f"{sys._getframe(1).f_globals.get('__name__', '')}:{name}"
    known = _defined.setdefault(place, [])
    for number, each in enumerate(known):
        if each == EventDefinition(name, type):
            return known[number]
    reference = place if not known else f"{place}#{len(known) + 1}"
    definition: EventDefinition[Any] = EventDefinition(name, type, reference)
    known.append(definition)
    _by_reference[reference] = definition
    return definition


#: By module and name; a module may define a name anew, with another type.
_defined: dict[str, list[EventDefinition[Any]]] = {}
_by_reference: dict[str, EventDefinition[Any]] = {}


def find_event(reference: str) -> EventDefinition[Any] | None:
    """What this process's code defined there; ``None`` where it has not."""
    return _by_reference.get(reference)


EventReference = EventDefinition[T] | str | UUID


def event_name_or_id(event: EventReference[Any]) -> tuple[str | None, UUID | None]:
    """Which event is meant: by name, or by id (a UUID, or its text)."""
    if isinstance(event, EventDefinition):
        return event.name, None
    if isinstance(event, UUID):
        return None, event
    try:
        return None, UUID(event)
    except (ValueError, AttributeError, TypeError):
        return check_name(event, what="the name of an event"), None
