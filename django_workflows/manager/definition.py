"""A workflow as users hold it: what they defined, and how they start it."""

from __future__ import annotations

from typing import Any, Generic, ParamSpec, TypeVar
from uuid import UUID

from asgiref.sync import sync_to_async

from ..conf import settings
from ..core.definitions import Definition
from ..engine.start import StartOptions, start

P = ParamSpec("P")
R = TypeVar("R")


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

    def with_options(self, **options: Any) -> BoundDefinition[P, R]:
        """This definition with options for ``start``: see ``StartOptions`` for what there is."""
        return BoundDefinition(self, StartOptions().derive(**options))

    def _start(self, options: StartOptions, args: Any, kwargs: Any) -> UUID:
        text = self.signature.encode_arguments(
            args, kwargs, what=f"arguments of {self.name}", max_bytes=settings.MAX_PAYLOAD_BYTES, apply_defaults=True
        )
        return start(self, text, options)


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
