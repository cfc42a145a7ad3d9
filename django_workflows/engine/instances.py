"""Lets model instances be arguments and results: stored as model, primary key and database, read again by steps.

A workflow function gets a reference, since a row may change or go away while the workflow waits: what it read there
would differ on replay.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from typing import Annotated, Any, ClassVar, NewType, NoReturn, Union, get_args, get_origin

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.models import Field, Model, QuerySet
from django.db.models.base import ModelState

from ..core.codec import Codec, check_size
from ..core.misfits import MODEL_INSTANCE
from ..core.payloads import register_codec
from ..core.plain_json import to_text
from ..core.unfit import Unfit
from ..exceptions import InvalidStep, UnsupportedInHandler


def register_model_codec() -> None:
    """Have parameters and results annotated with a model, or several, or ``None`` besides, carry instances of it."""
    # Whoever registers later is asked later.
    register_codec(lambda annotation: _models_of(annotation) is not None, InstanceCodec)
    register_codec(_holds_a_model, _refuse_inside)


def _models_of(annotation: Any) -> tuple[tuple[type[Model], ...], bool] | None:
    """The models of an annotation, and whether it allows ``None``; ``None`` if it is no such annotation."""
    annotation = _bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return (annotation,), False
    if get_origin(annotation) not in (Union, types.UnionType):
        return None
    parts = [_bare(part) for part in get_args(annotation) if part is not types.NoneType]
    if not all(isinstance(part, type) and issubclass(part, Model) for part in parts):
        return None
    return tuple(parts), len(parts) < len(get_args(annotation))


def _bare(annotation: Any) -> Any:
    """What is behind ``Annotated``, ``NewType`` and ``type X = ...``."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif hasattr(annotation, "__value__") and not isinstance(annotation, type):
            annotation = annotation.__value__
        else:
            return annotation


def _holds_a_model(annotation: Any) -> bool:
    """Whether there is a model somewhere in ``list[Order]``, ``QuerySet[Order]`` and their like."""
    annotation = _bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, (Model, QuerySet)):
        return True
    return any(_holds_a_model(part) for part in get_args(annotation) if part is not annotation)


def _refuse_inside(annotation: Any) -> NoReturn:
    raise InvalidStep(
        f"values of {annotation!r:.200} cannot be stored: a model instance travels by itself only, annotated with its "
        "model. Pass the primary keys of several, as list[int] for example, and read the rows in the step."
    )


class InstanceCodec(Codec[Any]):
    """``{"model": "shop.order", "pk": "17"}``, and ``"db"`` where it is not the default database.

    What comes back in a step is the row as it is then, not as it was.
    """

    passes: ClassVar[tuple[type[Exception], ...]] = (ObjectDoesNotExist, Error)

    def __init__(self, annotation: Any) -> None:
        super().__init__(annotation)
        found = _models_of(annotation)
        assert found is not None
        self._models, self._optional = found
        self._names = " or ".join(model._meta.label for model in self._models)

    @cached_property
    def for_workflows(self) -> Codec[Any]:
        return ReferenceCodec(self.annotation)

    def convert(self, value: Any) -> Any:
        if (value is None and self._optional) or isinstance(value, self._models):
            return value
        raise _misfit(f"an instance of {self._names} is needed, not {value.__class__.__name__}")

    def to_jsonable(self, value: Any) -> Any:
        if value is None:
            return None
        if type(value) is InstanceReference:
            return dict(value._stored)
        if value.pk is None or _is_unsaved(value):
            raise _misfit(
                f"this {value._meta.label} is not in the database: save it first. (Was it deleted? Then pass what is "
                "needed of it.)"
            )
        stored = {"model": value._meta.label_lower, "pk": value._meta.pk.value_to_string(value)}
        alias = _alias_to_store(value)
        return stored if alias is None else {**stored, "db": alias}

    def from_jsonable(self, value: Any) -> Any:
        return None if value is None and self._optional else _read(self._model_of(value), value)

    def _model_of(self, value: Any) -> type[Model]:
        model = apps.get_model(value["model"])
        if not issubclass(model, self._models):
            raise _misfit(f"a {self._names} is needed, and {model._meta.label} was stored")
        return model

    def from_outside(self, value: Any) -> Any:
        """An instance, or its primary key where there is one model."""
        if isinstance(value, self._models) or value is None or len(self._models) > 1:
            return self.convert(value)
        model = self._models[0]
        try:
            found = model._base_manager.filter(pk=value).first()
        except (ValueError, TypeError, ValidationError):
            found = None
        if found is None:
            raise _misfit(f"there is no {model._meta.label} with primary key {value!r:.100}")
        return found

    def json_schema(self) -> dict[str, Any]:
        return {"description": f"primary key of a {' or '.join(str(m._meta.verbose_name) for m in self._models)}"}

    def write(self, value: Any, *, what: str, max_bytes: int) -> tuple[str, Any]:
        """Without reading it back: the row is meant, not what the instance holds, and a handler cannot fetch it."""
        return check_size(to_text(self.to_jsonable(value)), what=what, max_bytes=max_bytes), value


class ReferenceCodec(InstanceCodec):
    """The same texts, read as references: how a workflow function gets instances."""

    passes = ()

    def from_jsonable(self, value: Any) -> Any:
        return None if value is None and self._optional else InstanceReference(self._model_of(value), value)


class InstanceReference:
    """A row that a workflow function passes on to steps, which read it.

    An instance of the model to ``isinstance``, equal to those with its primary key. That is all that it knows: any
    other attribute raises ``UnsupportedInHandler``.
    """

    __slots__ = ("__weakref__", "_model", "_stored", "pk")

    def __init__(self, model: type[Model], stored: Mapping[str, Any]) -> None:
        key = _key_of(model, stored["pk"])
        for name, value in (("_model", model), ("_stored", stored), ("pk", key)):
            object.__setattr__(self, name, value)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return self._model

    @property
    def _meta(self) -> Any:
        return self._model._meta

    @property
    def _state(self) -> ModelState:
        state = ModelState()
        state.db, state.adding = self._stored.get("db"), False
        return state

    def __getattr__(self, name: str) -> Any:
        names = key_names(self._model)
        if name in names:
            index = names[name]
            return self.pk if index is None else self.pk[index]
        if name.startswith("_"):
            raise AttributeError(f"a reference to a {self._model._meta.label} has no {name}")
        raise self._refusal(name, "read")

    def __setattr__(self, name: str, value: object) -> None:
        raise self._refusal(name, "set")

    def __delattr__(self, name: str) -> None:
        raise self._refusal(name, "deleted")

    def _refusal(self, name: str, verb: str) -> UnsupportedInHandler:
        label = self._model._meta.label
        return UnsupportedInHandler(
            f"{label}.{name} cannot be {verb} in a workflow function, which has a reference to the row ({label} "
            f"{self.pk}) and not its values: they may change while it waits, and a replay would go another way. "
            "Do it in a step function: pass the instance on to step.run_query or step.run_mutation, and return what "
            "the workflow function needs. Only the primary key (.pk) is there."
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Model):
            return NotImplemented
        return bool(self._meta.concrete_model == other._meta.concrete_model and self.pk == other.pk)

    def __hash__(self) -> int:
        return hash(self.pk)

    def __str__(self) -> str:
        # The model's own text, if it needs nothing but the primary key; else the error says why there is none.
        return str(self._model.__str__(self))

    def __repr__(self) -> str:
        return f"<reference to {self._model._meta.label} {self.pk!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return InstanceReference, (self._model, dict(self._stored))


def _misfit(reason: str) -> Unfit:
    return Unfit((), reason, MODEL_INSTANCE)


def _is_unsaved(instance: Model) -> bool:
    """Whether its primary key is one that it made up by itself, and no row was ever written with it."""
    return instance._state.adding and any(field.has_default() for field in _key_fields(type(instance)))


def _alias_to_store(instance: Model) -> str | None:
    """The database that an instance is of; ``None`` where it need not be said."""
    alias = instance._state.db
    if alias is None or alias == getattr(instance._state, "unnamed_alias", None):
        return None
    # With routers the default database is a choice like any other: they may lead a reader that is told nothing to a
    # replica which has not got the row yet.
    return None if alias == DEFAULT_DB_ALIAS and not settings.DATABASE_ROUTERS else alias


def _read(model: type[Model], stored: Mapping[str, Any]) -> Model:
    alias, label = stored.get("db"), model._meta.label
    if alias is not None and alias not in connections:
        raise _misfit(f"{label} {stored['pk']} is of the database {alias!r}, which is not in DATABASES any more")
    rows = model._base_manager.all() if alias is None else model._base_manager.using(alias)
    found = rows.filter(pk=_key_of(model, stored["pk"])).first()
    if found is None:
        where = "" if alias is None else f" in the database {alias!r}"
        missing: type[ObjectDoesNotExist] = model.DoesNotExist  # type: ignore[attr-defined]
        raise missing(f"there is no {label} with primary key {stored['pk']}{where} any more")
    if alias is None:
        # So that what was stored without a database is stored like it again, wherever routers have led: journals of
        # older versions are compared with it.
        found._state.unnamed_alias = found._state.db  # type: ignore[attr-defined]
    return found


def _key_of(model: type[Model], stored: Any) -> Any:
    key = model._meta.pk.to_python(stored)
    return tuple(key) if isinstance(key, list) else key


def _key_fields(model: type[Model]) -> Iterator[Field[Any, Any]]:
    """The fields that hold the primary key: those of the parents as well, where a model extends another's table."""
    field: Any = model._meta.pk
    while field is not None:
        yield field
        parent = getattr(field.remote_field, "parent_link", False) and field.remote_field.model
        field = parent._meta.pk if parent else None


@cache
def key_names(model: type[Model]) -> dict[str, int | None]:
    """The attributes that a reference has: ``pk``, its field, and its fields with their places where it has several."""
    parts = getattr(model._meta, "pk_fields", ())
    of_several = {field.attname: index for index, field in enumerate(parts)} if len(parts) > 1 else {}
    return {"pk": None, **{field.attname: None for field in _key_fields(model)}, **of_several}
