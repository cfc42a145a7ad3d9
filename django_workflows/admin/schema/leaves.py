"""The fields of single values: which input a type gets, and which JSON value its text is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from ...core.plain_json import from_text
from ...core.unfit import Unfit


class TextField(forms.CharField):
    """A text of any number of lines, which is kept as it was written."""

    def __init__(self, **options: Any) -> None:
        super().__init__(strip=False, widget=forms.Textarea(attrs={"rows": 1, "class": "dwf-text"}), **options)

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return text.replace("\r\n", "\n") if isinstance(text, str) else text


class JsonField(forms.CharField):
    """Any JSON value."""

    def __init__(self, **options: Any) -> None:
        attributes = {"rows": 4, "class": "dwf-json", "spellcheck": "false"}
        super().__init__(widget=forms.Textarea(attrs=attributes), **options)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            return Written(from_text(text))
        except Unfit as error:
            raise ValidationError(_("This is no JSON: %(reason)s"), params={"reason": str(error)}) from None

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) or value is None else json.dumps(value, indent=2, ensure_ascii=False)


class Written:
    """A value that was written out, so that ``null`` and ``""`` are not taken for an empty field."""

    def __init__(self, value: Any) -> None:
        self.value = value


class LinesField(forms.CharField):
    """A list of single values, one on each line; ``read`` is the field of one, ``empty`` what no line gives."""

    def __init__(self, read: forms.Field, *, empty: Any, **options: Any) -> None:
        self._read, self._empty = read, empty
        super().__init__(widget=forms.Textarea(attrs={"rows": 3, "class": "dwf-lines"}), strip=False, **options)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        found, errors = [], []
        for number, line in enumerate((text or "").splitlines(), 1):
            if not line.strip():
                continue
            try:
                found.append(self._read.clean(line.strip()))
            except ValidationError as error:
                errors += [
                    _("Line %(number)s: %(error)s") % {"number": number, "error": each} for each in error.messages
                ]
        if errors:
            raise ValidationError(errors)
        return Written(found) if found else self._empty

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(_line, value)) if isinstance(value, list) else value


def _line(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class InstantField(forms.DateTimeField):
    """A date and time in the user's time zone, as ISO 8601."""

    def __init__(self, **options: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": 1}, format="%Y-%m-%dT%H:%M:%S")
        super().__init__(widget=widget, **options)
        self.help_text = _("In the time zone %(zone)s.") % {"zone": timezone.get_current_timezone_name()}

    def clean(self, value: Any) -> Any:
        found = super().clean(value)
        if not isinstance(found, datetime):
            return None
        try:
            found.astimezone(UTC)
        except OverflowError:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from None
        return found.isoformat()

    def prepare_value(self, value: Any) -> Any:
        try:
            parsed = parse_datetime(value) if isinstance(value, str) else value
            return super().prepare_value(parsed if parsed is not None else value)
        except (ValueError, OverflowError):
            return value  # shown again as it was written, beside what is wrong with it


class ChosenField(forms.TypedChoiceField):
    """One of some JSON values."""

    def __init__(self, values: list[Any], *, empty: str = "---------", **options: Any) -> None:
        choices = [("", empty), *((json.dumps(value), _shown(value)) for value in values)]
        self._texts = {text for text, _words in choices}
        super().__init__(choices=choices, coerce=lambda text: Written(json.loads(text)), empty_value=None, **options)

    def prepare_value(self, value: Any) -> Any:
        texts = self._texts
        return value if isinstance(value, str) and value in texts else json.dumps(value)


def _shown(value: Any) -> str:
    return {True: _("yes"), False: _("no")}[value] if isinstance(value, bool) else str(value)


class SwitchField(forms.BooleanField):
    """True or false."""

    def clean(self, value: Any) -> Any:
        return Written(bool(self.to_python(value)))


def _text(schema: Mapping[str, Any], options: dict[str, Any]) -> forms.Field:
    return TextField(max_length=schema.get("maxLength"), min_length=schema.get("minLength"), **options)


def _integer(schema: Mapping[str, Any], options: dict[str, Any]) -> forms.Field:
    return forms.IntegerField(min_value=schema.get("minimum"), max_value=schema.get("maximum"), **options)


def _number(schema: Mapping[str, Any], options: dict[str, Any]) -> forms.Field:
    widget = forms.NumberInput(attrs={"step": "any"})
    limits: dict[str, Any] = {"min_value": schema.get("minimum"), "max_value": schema.get("maximum")}
    return forms.FloatField(widget=widget, **limits, **options)


def _plain(**attributes: Any) -> Callable[[Mapping[str, Any], dict[str, Any]], forms.Field]:
    return lambda schema, options: forms.CharField(widget=forms.TextInput(attrs=attributes), **options)


_BY_FORMAT: dict[str, Callable[[Mapping[str, Any], dict[str, Any]], forms.Field]] = {
    "date-time": lambda schema, options: InstantField(**options),
    "date": _plain(type="date"),
    "time": _plain(type="time", step=1),
    "uuid": _plain(spellcheck="false"),
    "email": _plain(type="email"),
    "uri": _plain(type="url"),
    "duration": _plain(placeholder="P3DT4H5M"),
    "decimal": _plain(inputmode="decimal"),
}
_BY_TYPE: dict[str, Callable[[Mapping[str, Any], dict[str, Any]], forms.Field]] = {
    "string": _text,
    "integer": _integer,
    "number": _number,
}
SCALARS = frozenset({*_BY_TYPE, "boolean"})


def field_of(schema: Mapping[str, Any], **options: Any) -> forms.Field:
    """The field of a schema of single values; of any other, one for JSON."""
    if "enum" in schema:
        return ChosenField(list(schema["enum"]), **options)
    if schema.get("type") == "string" and schema.get("format") in _BY_FORMAT:
        return _BY_FORMAT[schema["format"]](schema, options)
    if schema.get("type") == "boolean":
        return ChosenField([True, False], **options)
    make = _BY_TYPE.get(str(schema.get("type")))
    return JsonField(**options) if make is None else make(schema, options)
