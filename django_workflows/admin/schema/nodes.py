"""The parts of a form that was made from a JSON Schema, each of which gives a JSON value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django import forms

Cleaned = Mapping[str, Any]


class Nothing:
    """That a property is left out, so that its default applies."""


NOTHING = Nothing()


class Node:
    """A part with a ``name`` (of its fields in the form), a ``key`` in the value that it is part of, and a label."""

    template = ""

    def __init__(self, name: str, key: str | int, label: str, help_text: str = "") -> None:
        self.name, self.key, self.label, self.help_text = name, key, label, help_text
        self.form: forms.Form | None = None

    def fields(self) -> Iterator[tuple[str, forms.Field]]:
        """The form's fields for this part and all below it."""
        raise NotImplementedError

    def value(self, cleaned: Cleaned) -> Any:
        """The JSON value, or ``NOTHING``."""
        raise NotImplementedError

    def fill(self, value: Any) -> Iterator[tuple[str, Any]]:
        """What the fields hold at first, so that they give ``value``."""
        raise NotImplementedError

    def place(self, path: Sequence[str | int]) -> str | None:
        """The field that shows what is wrong at ``path`` of the value; ``None`` if there is none."""
        raise NotImplementedError

    def children(self) -> Sequence[Node]:
        return ()

    def bind(self, form: forms.Form) -> None:
        """Let templates reach the form's fields from here."""
        self.form = form
        for child in self.children():
            child.bind(form)


class Fixed(Node):
    """A value that cannot be chosen."""

    template = "django_workflows/admin/schema/fixed.html"

    def __init__(self, name: str, key: str | int, label: str, constant: Any) -> None:
        super().__init__(name, key, label)
        self.constant = constant

    def fields(self) -> Iterator[tuple[str, forms.Field]]:
        return iter(())

    def value(self, cleaned: Cleaned) -> Any:
        return self.constant

    def fill(self, value: Any) -> Iterator[tuple[str, Any]]:
        return iter(())

    def place(self, path: Sequence[str | int]) -> str | None:
        return None

    @property
    def shown(self) -> str:
        """The value for a reader; empty where there is none to see."""
        return "" if self.constant is NOTHING or not self.label else json.dumps(self.constant, ensure_ascii=False)


class Leaf(Node):
    """One field. ``blank`` is what an empty one gives."""

    template = "django_workflows/admin/schema/leaf.html"

    def __init__(self, name: str, key: str | int, label: str, field: forms.Field, blank: Any = NOTHING) -> None:
        super().__init__(name, key, label)
        self.field, self.blank = field, blank

    def fields(self) -> Iterator[tuple[str, forms.Field]]:
        yield self.name, self.field

    def value(self, cleaned: Cleaned) -> Any:
        found = cleaned.get(self.name)
        return self.blank if found is None or found == "" else found

    def fill(self, value: Any) -> Iterator[tuple[str, Any]]:
        yield self.name, value

    def place(self, path: Sequence[str | int]) -> str | None:
        return self.name

    @property
    def bound(self) -> forms.BoundField:
        assert self.form is not None
        return self.form[self.name]


class Group(Node):
    """An object with a part for each property."""

    template = "django_workflows/admin/schema/group.html"

    def __init__(self, name: str, key: str | int, label: str, parts: Sequence[Node], help_text: str = "") -> None:
        super().__init__(name, key, label, help_text)
        self.parts = parts

    def children(self) -> Sequence[Node]:
        return self.parts

    def fields(self) -> Iterator[tuple[str, forms.Field]]:
        for part in self.parts:
            yield from part.fields()

    def value(self, cleaned: Cleaned) -> Any:
        found = {part.key: part.value(cleaned) for part in self.parts}
        return {key: value for key, value in found.items() if value is not NOTHING}

    def fill(self, value: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict):
            for part in self.parts:
                if part.key in value:
                    yield from part.fill(value[part.key])

    def place(self, path: Sequence[str | int]) -> str | None:
        if not path:
            return None
        return next((part.place(path[1:]) for part in self.parts if part.key == path[0]), None)


class Choice(Node):
    """One of several parts, chosen by its number; only that one counts."""

    template = "django_workflows/admin/schema/choice.html"

    def __init__(
        self, name: str, key: str | int, label: str, variants: Sequence[tuple[str, Node]], chosen: str | None
    ) -> None:
        super().__init__(name, key, label)
        self.variants = variants
        self.field = forms.ChoiceField(
            choices=[(str(number), words) for number, (words, _part) in enumerate(variants)],
            widget=forms.RadioSelect(attrs={"class": "dwf-choice"}),
            label=label,
            initial=chosen,
        )

    def children(self) -> Sequence[Node]:
        return [part for _, part in self.variants]

    def fields(self) -> Iterator[tuple[str, forms.Field]]:
        yield self.name, self.field
        for part in self.children():
            for name, field in part.fields():
                # Whether something is missing is known only when it is known which one was chosen.
                field.required, field.widget.is_required = False, False
                yield name, field

    def value(self, cleaned: Cleaned) -> Any:
        chosen = cleaned.get(self.name)
        return NOTHING if not chosen else self.children()[int(chosen)].value(cleaned)

    def fill(self, value: Any) -> Iterator[tuple[str, Any]]:
        for number, part in enumerate(self.children()):
            if fits(part, value):
                yield self.name, str(number)
                yield from part.fill(value)
                return

    def place(self, path: Sequence[str | int]) -> str | None:
        """In the chosen part: of a union, the path goes through the name of the member that was tried."""
        assert self.form is not None
        chosen = self.form.cleaned_data.get(self.name)
        if not chosen:
            return self.name
        words, part = self.variants[int(chosen)]
        if path and isinstance(path[0], str) and path[0] != words and not self._knows(part, path[0]):
            return None
        return part.place(path[1:] if path and path[0] == words else path) or self.name

    @property
    def shown(self) -> list[tuple[Any, Sequence[Node]]]:
        """Each radio button, and the parts that belong to it."""
        parts = [part.children() if isinstance(part, Group) else [part] for part in self.children()]
        return list(zip(self.bound, parts, strict=True))

    @staticmethod
    def _knows(part: Node, key: str) -> bool:
        return any(child.key == key for child in part.children())

    @property
    def bound(self) -> forms.BoundField:
        assert self.form is not None
        return self.form[self.name]


def fits(part: Node, value: Any) -> bool:
    """Whether a part looks like the one that ``value`` was filled in with."""
    if isinstance(part, Fixed):
        return type(part.constant) is type(value) and part.constant == value
    if isinstance(part, Group):
        if not isinstance(value, dict) or not value.keys() <= {child.key for child in part.parts}:
            return False
        fixed = [child for child in part.parts if isinstance(child, Fixed)]
        return all(fits(child, value.get(child.key, child.constant)) for child in fixed)
    return not isinstance(value, dict) or isinstance(part, Leaf)
