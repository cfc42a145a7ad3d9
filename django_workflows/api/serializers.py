"""What clients may send. A field that is not here is an error, so that nothing else can be named from outside."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.core.validators import ProhibitNullCharactersValidator
from rest_framework import serializers

from ..core.commands import check_name
from ..exceptions import InvalidStep


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer that refuses unknown fields, with the nearest known name."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = [name for name in data if name not in self.fields]
            if unknown:
                raise serializers.ValidationError({name: [self._unknown(name)] for name in unknown[:50]})
        return super().to_internal_value(data)

    def _unknown(self, name: str) -> serializers.ErrorDetail:
        near = difflib.get_close_matches(name[:100], self.fields, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(self.fields) or 'none'}."
        return serializers.ErrorDetail(f"There is no field of this name. {hint}", "unknown_field")


class NameField(serializers.CharField):
    """A name as journals take it: 1 to 200 printable characters."""

    def __init__(self, what: str, **options: Any) -> None:
        super().__init__(max_length=200, trim_whitespace=False, **options)
        self._what = what

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        text = super().to_internal_value(data)
        try:
            return check_name(text, what=self._what)
        except InvalidStep as error:
            raise serializers.ValidationError(str(error)) from None


class AwareField(serializers.DateTimeField):
    """An instant with an offset, as UTC."""

    default_error_messages = {
        "naive": "An offset is needed, as in 2026-12-31T08:00:00Z.",
        "range": "This instant cannot be kept.",
    }

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str):
            self.fail("invalid", format="ISO 8601")
        return super().to_internal_value(value)

    def enforce_timezone(self, value: datetime) -> datetime:
        if value.tzinfo is None:
            self.fail("naive")
        try:
            return value.astimezone(UTC)
        except OverflowError:
            self.fail("range")
            raise


class StartSerializer(StrictSerializer):
    """What starts a workflow."""

    name = NameField("name", help_text="Of a definition that `GET definitions/` lists.")
    args = serializers.DictField(default=dict, help_text="The arguments, by name, as the definition's schema says.")
    context = serializers.JSONField(default=None, help_text="Any value; kept with the workflow.")  # type: ignore[assignment]
    idempotency_key = NameField(
        "idempotency_key",
        required=False,
        allow_null=True,
        help_text="The same key again gives the first workflow of this name. Or as the header `Idempotency-Key`.",
    )
    run_at = AwareField(required=False, allow_null=True, help_text="When it begins; now if it is not said.")


class EventSerializer(StrictSerializer):
    """What sends an event: by ``name``, or by the ``event_id`` of one made ahead; with a ``value`` or an ``error``."""

    name = NameField("the name of an event", required=False, help_text="What the workflow waits for, or will.")
    event_id = serializers.UUIDField(required=False, help_text="Of an event that was made ahead, in place of a name.")
    value = serializers.JSONField(
        required=False, allow_null=True, help_text="What the workflow gets; null if not given."
    )
    error = serializers.CharField(
        required=False,
        max_length=10_000,
        validators=[ProhibitNullCharactersValidator()],
        help_text="Raised where the workflow waits, instead of a value.",
    )
    idempotency_key = NameField(
        "idempotency_key",
        required=False,
        allow_null=True,
        help_text="The same key for the same workflow again sends nothing new. Or as the header `Idempotency-Key`.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("name" in attrs) == ("event_id" in attrs):
            raise serializers.ValidationError("Either name or event_id is needed.")
        if "error" in attrs and "value" in attrs:
            raise serializers.ValidationError("An event has either a value or an error.")
        return attrs


class TokenEventSerializer(StrictSerializer):
    """What is sent by a token, which says which event it is."""

    value = serializers.JSONField(required=False, allow_null=True)
    error = serializers.CharField(required=False, max_length=10_000, validators=[ProhibitNullCharactersValidator()])

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "error" in attrs and "value" in attrs:
            raise serializers.ValidationError("An event has either a value or an error.")
        return attrs


class CancelSerializer(StrictSerializer):
    """How to cancel."""

    force = serializers.BooleanField(default=False, help_text="Do not run the handler any more, not even its clean-up.")

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and not isinstance(data.get("force", False), bool):
            raise serializers.ValidationError({"force": ["true or false is needed."]})
        return super().to_internal_value(data)


class FromStepField(serializers.Field[Any, Any, Any, Any]):
    """A step's number, name or function; where several steps have that name, the last of them."""

    default_error_messages = {"invalid": "A step's number, or its name or function, is needed."}

    def to_internal_value(self, data: Any) -> int | str:
        if type(data) is int and 0 <= data < 2**31:
            return data
        if isinstance(data, str) and 0 < len(data) <= 500 and "\x00" not in data:
            return data
        self.fail("invalid")
        raise AssertionError("unreachable")

    def to_representation(self, value: Any) -> Any:
        return value


class RestartSerializer(StrictSerializer):
    """Where to restart from."""

    from_step = FromStepField(
        required=False,
        allow_null=True,
        help_text="This step and all after it are dropped; if it is not given, the failures that ended it run again.",
    )
    keep = serializers.BooleanField(default=False, help_text="Keep the whole journal, failures included.")

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and not isinstance(data.get("keep", False), bool):
            raise serializers.ValidationError({"keep": ["true or false is needed."]})
        return super().to_internal_value(data)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["keep"] and attrs.get("from_step") is not None:
            raise serializers.ValidationError({"keep": ["Either from_step or keep is given, not both."]})
        return attrs


class RetrySerializer(StrictSerializer):
    """Nothing: what there is to be retried is retried."""
