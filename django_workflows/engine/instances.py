"""Lets model instances be arguments and results: stored as model and primary key, fetched again when used."""

from __future__ import annotations

import types
from typing import Any, Union, get_args, get_origin

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db.models import Model

from ..core.codec import Codec, check_size
from ..core.payloads import register_codec
from ..core.plain_json import to_text


def register_model_codec() -> None:
    """Have parameters and results annotated with a model, or a model and ``None``, carry instances of it."""
    register_codec(lambda annotation: _model_of(annotation) is not None, InstanceCodec)


def _model_of(annotation: Any) -> tuple[type[Model], bool] | None:
    """The model of an annotation, and whether it allows ``None``; ``None`` if it is no such annotation."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation, False
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [part for part in get_args(annotation) if part is not types.NoneType]
        if len(parts) == 1 and len(get_args(annotation)) == 2:
            found = _model_of(parts[0])
            return None if found is None else (found[0], True)
    return None


class InstanceCodec(Codec[Any]):
    """``{"model": "shop.order", "pk": 17}``. What comes back is the row as it is when it is used, not as it was."""

    def __init__(self, annotation: Any) -> None:
        super().__init__(annotation)
        found = _model_of(annotation)
        assert found is not None
        self._model, self._optional = found

    def convert(self, value: Any) -> Any:
        if (value is None and self._optional) or isinstance(value, self._model):
            return value
        raise ValueError(f"an instance of {self._model._meta.label} is needed, not {type(value).__name__}")

    def to_jsonable(self, value: Any) -> Any:
        if value is None:
            return None
        if value.pk is None:
            raise ValueError(f"this {value._meta.label} has not been saved, so it has no primary key to store")
        return {"model": value._meta.label_lower, "pk": value._meta.pk.value_to_string(value)}

    def from_jsonable(self, value: Any) -> Any:
        if value is None and self._optional:
            return None
        model = apps.get_model(value["model"])
        if not issubclass(model, self._model):
            raise ValueError(f"a {self._model._meta.label} is needed, and {model._meta.label} was stored")
        found = model._base_manager.filter(pk=value["pk"]).first()
        if found is None:
            raise ValueError(f"there is no {model._meta.label} with primary key {value['pk']} any more")
        return found

    def from_outside(self, value: Any) -> Any:
        """An instance, or its primary key."""
        if isinstance(value, self._model) or value is None:
            return self.convert(value)
        try:
            found = self._model._base_manager.filter(pk=value).first()
        except (ValueError, TypeError, ValidationError):
            found = None
        if found is None:
            raise ValueError(f"there is no {self._model._meta.label} with primary key {value!r:.100}")
        return found

    def json_schema(self) -> dict[str, Any]:
        return {"description": f"primary key of a {self._model._meta.verbose_name}"}

    def write(self, value: Any, *, what: str, max_bytes: int) -> tuple[str, Any]:
        """Without reading it back: the row is meant, not what the instance holds, and a handler cannot fetch it."""
        return check_size(to_text(self.to_jsonable(value)), what=what, max_bytes=max_bytes), value
