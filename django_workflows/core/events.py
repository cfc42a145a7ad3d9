"""What an event is: a name and the type of its value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload
from uuid import UUID

from .commands import check_name
from .payloads import Codec, codec_for

if TYPE_CHECKING:
    from typing_extensions import TypeForm

T = TypeVar("T")


@dataclass(frozen=True)
class EventDefinition(Generic[T]):
    """A named event whose values are of type ``type``: any type that pydantic knows, unions of models included."""

    name: str
    type: Any = Any

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

    The value is validated when it is sent. ``InvalidStep`` if the name is not 1 to 200 printable characters.
    """
    check_name(name, what="the name of an event")
    definition: EventDefinition[Any] = EventDefinition(name, type)
    known = _known.setdefault(name, [])
    if definition not in known:
        known.append(definition)
    return definition


_known: dict[str, list[EventDefinition[Any]]] = {}


def known_events(name: str) -> list[EventDefinition[Any]]:
    """What this process's code defined under that name; several modules may use one name with types of their own."""
    return list(_known.get(name, ()))


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
