"""How one callable's arguments and result travel through the journal."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

from ..exceptions import InvalidArguments, InvalidStep, PayloadTooLarge
from .bindings import BadCall, Parameters
from .codec import Codec, check_size
from .excerpts import pointer
from .hints import RESULT, function_name, place_name, result_type, signature_of, stored_type
from .misfits import explained
from .payloads import codec_for
from .plain_json import from_text, scalar_text
from .schemas import object_schema
from .unfit import Unfit


class Signature:
    """How one callable's arguments and result travel.

    Arguments are one JSON object by parameter name, in the order of the parameters; what ``*args`` took is a list
    under its own name, what ``**kwargs`` took an object under its own. Annotations are looked at when first needed;
    those that cannot be resolved, or have no JSON, raise ``InvalidStep``.
    """

    def __init__(self, fn: Callable[..., Any], *, skip: int = 0) -> None:
        self.fn = fn
        self.name = function_name(fn)
        self._inspected = signature_of(fn)
        dispatches = hasattr(fn, "dispatch") and hasattr(fn, "registry")  # functools.singledispatch
        parameters = list(self._inspected.parameters.values())[skip:]
        self._parameters = Parameters(parameters, first_by_position=dispatches)
        self._keys = {name: f"{scalar_text(name)}:" for name in self._parameters.all}
        #: Whether calling it gives something to be awaited.
        self.is_coroutine = inspect.iscoroutinefunction(fn)

    @classmethod
    def of(cls, fn: Callable[..., Any], *, skip: int = 0) -> Signature:
        """The signature of ``fn``, made once. ``skip=1`` leaves out a handler's first parameter, the context."""
        try:
            return _cached(fn, skip)
        except TypeError:
            return cls(fn, skip=skip)

    @cached_property
    def result(self) -> Codec[Any]:
        """The codec of what the callable returns."""
        return self._codec(RESULT, result_type(self.fn, self._inspected))

    def encode_arguments(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], *, what: str, max_bytes: int, apply_defaults: bool
    ) -> str:
        """The text of the arguments of a call, validated and converted by the annotations.

        ``apply_defaults`` also stores the defaults of what was not passed, those without JSON excepted; without it, a
        parameter that gets a default later leaves old journals as they are. ``InvalidArguments``, which begins with
        ``what``, if the call is wrong or a value does not fit; ``PayloadTooLarge`` beyond ``max_bytes`` of text.
        """
        try:
            bound = self._parameters.bind(args, kwargs)
        except BadCall as error:
            raise self._bad_call(what, error) from None
        texts = self._texts(bound, outside=False, what=what, max_bytes=max_bytes)
        return self._join(texts, what=what, max_bytes=max_bytes, apply_defaults=apply_defaults)

    def encode_mapping(
        self, mapping: Mapping[str, Any], *, what: str, max_bytes: int, apply_defaults: bool = True
    ) -> str:
        """``encode_arguments`` of arguments by name, whose values may be JSON's: "2026-01-01T00:00:00Z" is a datetime.

        Names that are no parameter's go to ``**kwargs``, as in a call.
        """
        try:
            bound = self._parameters.bind_names(mapping)
        except BadCall as error:
            raise self._bad_call(what, error) from None
        texts = self._texts(bound, outside=True, what=what, max_bytes=max_bytes)
        return self._join(texts, what=what, max_bytes=max_bytes, apply_defaults=apply_defaults)

    def decode_arguments(self, text: str, *, for_workflows: bool = False) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """``args`` and ``kwargs`` to call the callable with; what has a default now may be missing from ``text``.

        ``for_workflows``: as a workflow function gets them (``Codec.for_workflows``). ``InvalidArguments`` if the
        callable does not take what was stored (any more); what the codecs let pass (``Codec.passes``).
        """
        what = "stored arguments do not fit the code"
        try:
            stored = from_text(text)
            self._parameters.check_stored(stored)
        except BadCall as error:
            raise self._bad_call(what, error) from None
        except Unfit as error:
            raise InvalidArguments(f"{what}: {self.name}(): {error}", error.problems) from None
        values, problems = {}, []
        for name, value in stored.items():
            codec = self._codecs[name].for_workflows if for_workflows else self._codecs[name]
            try:
                values[name] = value if type(value) in codec.scalars else codec.from_jsonable(value)
            except codec.passes:
                raise
            except Exception as error:  # noqa: BLE001 - validators are users' code
                problems += Unfit.of(error).under(name).problems
        if problems:
            raise self._misfit(what, problems)
        return self._parameters.call(values)

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of the object that ``encode_mapping`` takes."""
        return object_schema(
            self._codecs,
            required=[name for name in self._parameters.all if name in self._parameters.required],
            defaults={name: from_text(text) for name, text in self._defaults.items()},
            open_ended=self._parameters.extra is not None,
        )

    def result_schema(self) -> dict[str, Any]:
        """The JSON Schema of the result as journals keep it; ``{}`` allows anything."""
        return self.result.stored_schema()

    @cached_property
    def _codecs(self) -> dict[str, Codec[Any]]:
        return {name: self._codec(name, stored_type(self.fn, each)) for name, each in self._parameters.all.items()}

    def _codec(self, name: str, annotation: Any) -> Codec[Any]:
        try:
            return codec_for(annotation)
        except InvalidStep as error:
            raise InvalidStep(f"{place_name(self.fn, name)}: {error}") from error

    @cached_property
    def _defaults(self) -> dict[str, str]:
        return dict(self._default_texts())

    def _default_texts(self) -> Iterator[tuple[str, str]]:
        for name, default in self._parameters.defaults.items():
            try:
                yield from self._texts({name: default}, outside=False, what=name, max_bytes=sys.maxsize).items()
            except InvalidArguments:  # a sentinel, say: the callable supplies it by itself when it is called
                continue

    def _texts(self, bound: Mapping[str, Any], *, outside: bool, what: str, max_bytes: int) -> dict[str, str]:
        texts: dict[str, str] = {}
        problems: list[dict[str, Any]] = []
        codecs = self._codecs
        for name, value in bound.items():
            codec = codecs[name]
            try:
                if type(value) in codec.scalars:
                    texts[name] = scalar_text(value)
                else:
                    converted = codec.from_outside(value) if outside else codec.convert(value)
                    texts[name], _ = codec.write(converted, what=what, max_bytes=max_bytes)
            except PayloadTooLarge:
                raise
            except Exception as error:  # noqa: BLE001 - serializers and validators are users' code
                problems += explained(value, error).under(name).problems
        if problems:
            raise self._misfit(what, problems)
        return texts

    def _join(self, texts: dict[str, str], *, what: str, max_bytes: int, apply_defaults: bool) -> str:
        if apply_defaults and len(texts) < len(self._keys):
            given = self._defaults | texts
            texts = {name: given[name] for name in self._keys if name in given}
        inside = ",".join([self._keys[name] + text for name, text in texts.items()])
        return check_size(f"{{{inside}}}", what=what, max_bytes=max_bytes)

    def _bad_call(self, what: str, error: BadCall) -> InvalidArguments:
        return InvalidArguments(f"{what}: {self.name}(): {error}", error.problems)

    def _misfit(self, what: str, problems: list[dict[str, Any]]) -> InvalidArguments:
        name, *path = problems[0]["loc"]
        where = f" at {pointer(path)}" if path else ""
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        message = f"parameter {name!r}{where}: {problems[0]['msg']}{more}"
        return InvalidArguments(f"{what}: {self.name}(): {message}", problems)


@lru_cache(maxsize=4096)
def _cached(fn: Callable[..., Any], skip: int) -> Signature:
    return Signature(fn, skip=skip)
