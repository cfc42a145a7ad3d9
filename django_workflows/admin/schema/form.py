"""The form of a JSON Schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms

from .leaves import JsonField, Written
from .nodes import NOTHING, Group, Leaf, Node
from .reading import Reader
from .rows import ADD

#: The form's own name, with which the names of its fields begin.
NAME = "value"


class SchemaForm(forms.Form):
    """Asks for a value of ``schema``; ``initial_value`` is what it shows at first.

    ``value`` is the JSON value once the form is valid. ``whole``: one box for JSON instead of a field for each part.
    """

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        schema: Mapping[str, Any],
        *,
        initial_value: Any = NOTHING,
        whole: bool = False,
    ) -> None:
        super().__init__(data)
        self.schema, self.value = schema, NOTHING
        self.part = self._part(schema, data, initial_value, whole)
        self.fields.update(self.part.fields())
        if initial_value is not NOTHING:
            self.initial.update(self.part.fill(initial_value))
        self.part.bind(self)

    @staticmethod
    def _part(schema: Mapping[str, Any], data: Mapping[str, Any] | None, value: Any, whole: bool) -> Node:
        known = None if value is NOTHING else value
        reader = Reader(schema.get("$defs", {}), data)
        if whole:
            return Leaf(NAME, "", "JSON", JsonField(label="JSON", required=True))
        if schema.get("type") == "object" and "properties" in schema:
            return Group(NAME, "", "", reader.parts(schema, NAME, known, 0))
        return reader.part(schema, NAME, "", required=True, value=known)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to fill in."""
        return isinstance(self.part, Group) and not self.part.parts

    @property
    def asks_for_more(self) -> bool:
        """Whether another row was asked for, so that nothing is to be done yet."""
        return ADD in self.data

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            self.value = unwrapped(self.part.value(cleaned))
        return cleaned

    def place_errors(self, problems: Iterable[Mapping[str, Any]], otherwise: str) -> None:
        """Show what is wrong at the fields it is about; ``otherwise`` above them if there is no such field."""
        placed = False
        for problem in problems:
            name = self.part.place(list(problem["loc"]))
            if name is not None and name in self.fields:
                self.add_error(name, str(problem["msg"]))
                placed = True
        if not placed:
            self.add_error(None, otherwise)


def unwrapped(value: Any) -> Any:
    """A value without ``Written`` around any part of it."""
    if isinstance(value, Written):
        return unwrapped(value.value)
    if isinstance(value, dict):
        return {key: unwrapped(item) for key, item in value.items()}
    return [unwrapped(item) for item in value] if isinstance(value, list) else value
