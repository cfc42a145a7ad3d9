"""Turns a JSON Schema into the parts of a form. What it does not know becomes a box for JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from .leaves import SCALARS, JsonField, LinesField, SwitchField, Written, field_of
from .nodes import NOTHING, Choice, Fixed, Group, Leaf, Node
from .rows import Rows, count_of

Schema = Mapping[str, Any]
#: What is nested more deeply is written as JSON.
DEPTH = 6


@dataclass
class Reader:
    """Reads schemas with these shared ``definitions``. ``data`` is what was posted, ``None`` for a fresh form."""

    definitions: Schema
    data: Mapping[str, Any] | None

    def part(
        self, schema: Schema, name: str, key: str | int, *, required: bool, value: Any = None, depth: int = 0
    ) -> Node:
        """The part for one schema; ``value`` is what it is to hold at first, as far as lists need to know."""
        schema, nullable = self._settled(schema)
        label = str(schema.get("title") or _words(key))
        if "const" in schema:
            return Fixed(name, key, label, schema["const"])
        if depth <= DEPTH:
            if (variants := self._variants(schema)) and not _is_decimal(variants):
                return self._choice(variants, name, key, label, (required, nullable), value, depth)
            if schema.get("properties"):
                return self._object(schema, name, key, label, (required, nullable), value, depth)
            if rows := self._list(schema, name, key, label, (required, nullable), value, depth):
                return rows
        return _leaf(schema, name, key, label, required, nullable)

    def _settled(self, schema: Schema) -> tuple[Schema, bool]:
        """The schema itself, without references, and whether it allows ``null`` beside other things."""
        nullable = False
        for _step in range(20):
            if "$ref" in schema:
                target = self.definitions.get(schema["$ref"].rpartition("/")[2], {})
                schema = {**target, **{key: schema[key] for key in schema if key != "$ref"}}
                continue
            options = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf") or []
            others = [option for option in options if option.get("type") != "null"]
            nullable |= len(others) < len(options)
            if len(others) != 1:
                break
            rest = {key: schema[key] for key in schema if key not in ("anyOf", "oneOf", "allOf")}
            schema = {**others[0], **rest}
        return schema, nullable

    def _variants(self, schema: Schema) -> list[Schema]:
        options = schema.get("anyOf") or schema.get("oneOf") or []
        return [self._settled(option)[0] for option in options if option.get("type") != "null"]

    def _choice(
        self,
        variants: list[Schema],
        name: str,
        key: str | int,
        label: str,
        wanted: tuple[bool, bool],
        value: Any,
        depth: int,
    ) -> Node:
        parts: list[tuple[str, Node]] = []
        for number, variant in enumerate(variants):
            words = str(variant.get("title") or variant.get("format") or variant.get("type") or _("JSON"))
            parts.append(
                (words, self.part(variant, f"{name}.{number}", key, required=True, value=value, depth=depth + 1))
            )
        return _or_nothing(Choice(name, key, label, parts, None), wanted)

    def _object(
        self, schema: Schema, name: str, key: str | int, label: str, wanted: tuple[bool, bool], value: Any, depth: int
    ) -> Node:
        group = Group(name, key, label, self.parts(schema, name, value, depth + 1), str(schema.get("description", "")))
        required, nullable = wanted
        if required and not nullable:
            return group
        return _or_nothing(Choice(name, key, label, [(label, group)], None), wanted, first="0" if value else None)

    def parts(self, schema: Schema, name: str, value: Any, depth: int) -> list[Node]:
        """The parts of an object's properties."""
        required = schema.get("required", ())
        found = []
        for index, (key, each) in enumerate(schema["properties"].items()):
            own = value[key] if isinstance(value, dict) and key in value else each.get("default")
            own_name = f"{name}.{key if key.isidentifier() else index}"
            found.append(self.part(each, own_name, key, required=key in required, value=own, depth=depth))
        return found

    def _list(
        self, schema: Schema, name: str, key: str | int, label: str, wanted: tuple[bool, bool], value: Any, depth: int
    ) -> Node | None:
        items = schema.get("items")
        if schema.get("type") != "array" or not items or "prefixItems" in schema:
            return None
        items, nullable = self._settled(items)
        required, blank = wanted[0], _blank(schema, wanted)
        if not nullable and (items.get("type") in SCALARS - {"boolean"} or _is_decimal(self._variants(items))):
            help_text = _help(schema, required, _("One on each line."))
            # An empty list is a list too, so nothing has to be written.
            empty = Written([]) if required and not wanted[1] else None
            field = LinesField(field_of(_scalar(items)), empty=empty, required=False, label=label, help_text=help_text)
            return Leaf(name, key, label, field, blank)
        if not required or wanted[1] or nullable:
            return None
        return Rows(
            name,
            key,
            label,
            lambda item_name, index: self.part(
                items, item_name, index, required=True, value=_at(value, index), depth=depth + 1
            ),
            count_of(name, self.data, value),
        )


def _or_nothing(choice: Choice, wanted: tuple[bool, bool], first: str | None = None) -> Choice:
    """A choice that also offers to choose nothing, where that is allowed."""
    required, nullable = wanted
    variants = list(choice.variants)
    if nullable:
        variants.append((_("nothing"), Fixed(f"{choice.name}.none", choice.key, "", None)))
    if not required:
        variants.append((_("as the code has it"), Fixed(f"{choice.name}.default", choice.key, "", NOTHING)))
    chosen = first if first is not None else (str(len(variants) - 1) if len(variants) > len(choice.variants) else None)
    return Choice(choice.name, choice.key, choice.label, variants, chosen)


def _leaf(schema: Schema, name: str, key: str | int, label: str, required: bool, nullable: bool) -> Leaf:
    help_text = _help(schema, required, "")
    plain = schema.get("type") == "boolean" and not nullable and (required or isinstance(schema.get("default"), bool))
    if plain:
        initial = bool(schema.get("default"))
        switch = SwitchField(required=False, label=label, help_text=help_text, initial=initial)
        return Leaf(name, key, label, switch)
    field = field_of(_scalar(schema), required=required and not nullable, label=label)
    if not isinstance(field, JsonField):
        field.help_text = " ".join(filter(None, [help_text, str(field.help_text)]))
    else:
        field.help_text = " ".join(filter(None, [help_text, _("JSON.")]))
    return Leaf(name, key, label, field, _blank(schema, (required, nullable)))


def _blank(schema: Schema, wanted: tuple[bool, bool]) -> Any:
    """What an empty field means: ``null`` where only that is allowed, else that the property is left out."""
    required, nullable = wanted
    return None if required and nullable else NOTHING


def _scalar(schema: Schema) -> Schema:
    return {"type": "string", "format": "decimal"} if _is_decimal(schema.get("anyOf", ())) else schema


def _is_decimal(options: Any) -> bool:
    """Whether these are the ways to write one number: pydantic takes a Decimal as number or text."""
    types = {option.get("type") for option in options}
    return "string" in types and bool(types & {"number", "integer"}) and types <= {"string", "number", "integer"}


def _help(schema: Schema, required: bool, hint: str) -> str:
    words = [str(schema["description"])] if schema.get("description") else []
    words += [hint] if hint else []
    if not required and schema.get("default") is not None:
        default = schema["default"]
        shown = default if isinstance(default, str) else json.dumps(default)
        words.append(_("Left empty: %(default)s") % {"default": f"{shown:.100}"})
    return " ".join(words)


def _words(key: str | int) -> str:
    return f"{key + 1}." if isinstance(key, int) else key.replace("_", " ").strip().capitalize() or key


def _at(value: Any, index: int) -> Any:
    return value[index] if isinstance(value, list) and index < len(value) else None
