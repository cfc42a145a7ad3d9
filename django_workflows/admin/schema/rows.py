"""A list whose items have several fields each: rows, of which more can be asked for without JavaScript."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from .nodes import Cleaned, Node

#: More rows are written as JSON.
MOST = 100
#: The name of the button that asks for another row; its value is the list's name.
ADD = "_add_row"


class Rows(Node):
    """A list. ``make(name, index)`` makes the part of an item."""

    template = "django_workflows/admin/schema/rows.html"

    def __init__(self, name: str, key: str | int, label: str, make: Callable[[str, int], Node], count: int) -> None:
        super().__init__(name, key, label)
        self.items = [make(f"{name}.{index}", index) for index in range(min(count, MOST))]

    def children(self) -> Sequence[Node]:
        return self.items

    def fields(self) -> Iterator[tuple[str, forms.Field]]:
        yield (
            f"{self.name}.count",
            forms.IntegerField(widget=forms.HiddenInput, initial=len(self.items), required=False),
        )
        for item in self.items:
            yield from item.fields()
            yield f"{item.name}.left_out", forms.BooleanField(required=False, label=_("Leave out"))

    def value(self, cleaned: Cleaned) -> Any:
        return [item.value(cleaned) for item in self.items if not cleaned.get(f"{item.name}.left_out")]

    def fill(self, value: Any) -> Iterator[tuple[str, Any]]:
        for item, each in zip(self.items, value if isinstance(value, list) else (), strict=False):
            yield from item.fill(each)

    def place(self, path: Sequence[str | int]) -> str | None:
        assert self.form is not None
        kept = [item for item in self.items if not self.form.cleaned_data.get(f"{item.name}.left_out")]
        if path and isinstance(path[0], int) and path[0] < len(kept):
            return kept[path[0]].place(path[1:])
        return f"{self.name}.count"

    @property
    def bound_count(self) -> forms.BoundField:
        assert self.form is not None
        return self.form[f"{self.name}.count"]

    @property
    def shown(self) -> list[tuple[Node, forms.BoundField]]:
        assert self.form is not None
        return [(item, self.form[f"{item.name}.left_out"]) for item in self.items]


def count_of(name: str, data: Mapping[str, Any] | None, value: Any) -> int:
    """How many rows a list has: as posted, and one more if that was asked for; else as many as ``value``, or one."""
    if data is None:
        return len(value) if isinstance(value, list) else 1
    try:
        count = max(0, int(data.get(f"{name}.count") or 0))
    except ValueError:
        count = 0
    return count + (data.get(ADD) == name)
