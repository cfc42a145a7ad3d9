"""A workflow as users hold it: what they defined, and how they start it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar
from uuid import UUID

from asgiref.sync import sync_to_async

from ..conf import settings
from ..core.definitions import Definition
from ..engine.start import StartOptions, start
from ..engine.start_many import start_many
from ..exceptions import InvalidArguments

P = ParamSpec("P")
R = TypeVar("R")

#: The arguments of one call: by position, or by name.
Arguments: TypeAlias = Sequence[Any] | Mapping[str, Any]


class WorkflowDefinition(Definition[P, R]):
    """A defined workflow. ``start`` takes the handler's own arguments, without the context."""

    def start(self, *args: P.args, **kwargs: P.kwargs) -> UUID:
        """Start one, in the caller's transaction if there is one; returns its id.

        Raises ``InvalidArguments``, and stores nothing, if the arguments do not fit the handler's annotations.
        """
        return self._start(StartOptions(), args, kwargs)

    async def astart(self, *args: P.args, **kwargs: P.kwargs) -> UUID:
        """``start``, for async code."""
        return await sync_to_async(self._start)(StartOptions(), args, kwargs)

    def start_many(
        self, arguments: Iterable[Arguments], *, idempotency_keys: Iterable[str | None] | None = None
    ) -> list[UUID]:
        """Start one workflow for each of ``arguments``, all or none, many times as fast as one by one; their ids.

        Each is a tuple or list of positional arguments, or a dict of arguments by name. ``idempotency_keys`` has one
        for each, or ``None``; a key that is taken gives the first workflow's id. Raises ``InvalidArguments``, which
        names the position of the item, and stores nothing then. In the caller's transaction if there is one.
        """
        return self._start_many(StartOptions(), arguments, idempotency_keys)

    async def astart_many(
        self, arguments: Iterable[Arguments], *, idempotency_keys: Iterable[str | None] | None = None
    ) -> list[UUID]:
        """``start_many``, for async code."""
        return await sync_to_async(self._start_many)(StartOptions(), arguments, idempotency_keys)

    def with_options(self, **options: Any) -> BoundDefinition[P, R]:
        """This definition with options for ``start``: see ``StartOptions`` for what there is."""
        return BoundDefinition(self, StartOptions().derive(**options))

    def _start(self, options: StartOptions, args: Any, kwargs: Any) -> UUID:
        text = self.signature.encode_arguments(
            args, kwargs, what=f"arguments of {self.name}", max_bytes=settings.MAX_PAYLOAD_BYTES, apply_defaults=True
        )
        return start(self, text, options)

    def _start_many(
        self,
        options: StartOptions,
        arguments: Iterable[Arguments],
        idempotency_keys: Iterable[str | None] | None,
    ) -> list[UUID]:
        texts = [self._text(position, each) for position, each in enumerate(arguments)]
        return start_many(self, texts, options, idempotency_keys)

    def _text(self, position: int, arguments: Arguments) -> str:
        what = f"arguments of {self.name}, item {position}"
        if isinstance(arguments, Mapping):
            args, kwargs = (), arguments
        elif isinstance(arguments, (tuple, list)):
            args, kwargs = tuple(arguments), {}
        else:
            raise InvalidArguments(f"{what}: a tuple, list or dict is needed, got {type(arguments).__name__}")
        return self.signature.encode_arguments(
            args, kwargs, what=what, max_bytes=settings.MAX_PAYLOAD_BYTES, apply_defaults=True
        )


class BoundDefinition(Generic[P, R]):
    """A definition with options for ``start``."""

    def __init__(self, definition: WorkflowDefinition[P, R], options: StartOptions) -> None:
        self._definition = definition
        self._options = options

    def with_options(self, **options: Any) -> BoundDefinition[P, R]:
        """These options and more; later ones win."""
        return BoundDefinition(self._definition, self._options.derive(**options))

    def start(self, *args: P.args, **kwargs: P.kwargs) -> UUID:
        """As ``WorkflowDefinition.start``."""
        return self._definition._start(self._options, args, kwargs)

    async def astart(self, *args: P.args, **kwargs: P.kwargs) -> UUID:
        """``start``, for async code."""
        return await sync_to_async(self._definition._start)(self._options, args, kwargs)

    def start_many(
        self, arguments: Iterable[Arguments], *, idempotency_keys: Iterable[str | None] | None = None
    ) -> list[UUID]:
        """As ``WorkflowDefinition.start_many``."""
        return self._definition._start_many(self._options, arguments, idempotency_keys)

    async def astart_many(
        self, arguments: Iterable[Arguments], *, idempotency_keys: Iterable[str | None] | None = None
    ) -> list[UUID]:
        """``start_many``, for async code."""
        return await sync_to_async(self.start_many)(arguments, idempotency_keys=idempotency_keys)
