"""What a handler may call: the ``step`` that it is given."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from types import FunctionType
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, Protocol, TypeAlias, TypeVar, overload
from uuid import UUID

from ..exceptions import ContinueAsNew, InvalidStep
from .codec import Codec
from .commands import Ask, Decode, StepOptions, check_name
from .composed import await_later, rolling_map
from .definitions import Definition, step_function, step_function_path
from .durations import Duration, aware, to_seconds
from .events import EventDefinition, event_name_or_id
from .journal import StepKind
from .options import check_options
from .registry import registry
from .signatures import Signature
from .sources import Sources

if TYPE_CHECKING:
    from .replay import Replay

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")

_Results: TypeAlias = "asyncio.Future[list[R]]"


class TaskOf(Protocol[P, R_co]):
    """A task of Django's Tasks, as type checkers know it by what it is called with."""

    def call(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...


class WorkflowContext:
    """The handler's way to the world. Each call is one step, numbered from 0 in the order of the calls, and returns a
    future: await it, or pass it to ``gather`` and its like.
    """

    __slots__ = ("_fit", "_options", "_replay", "_sources")

    def __init__(self, replay: Replay, options: StepOptions | None = None, sources: Any = None) -> None:
        self._replay = replay
        self._options = options or StepOptions()
        self._sources = sources or Sources(replay)
        self._fit = set[StepKind]()

    def with_options(self, **options: Any) -> WorkflowContext:
        """A context whose steps have these options; this one stays as it is.

        ``retry`` (True, False or a ``RetryPolicy``), ``run_after`` (seconds or timedelta), ``run_at`` (aware datetime),
        ``name``, ``timeout`` (seconds or timedelta, of one attempt), ``inline`` (queries and mutations: run in the
        turn's own transaction), ``unstable_args`` (do not compare arguments on replay), ``queue``, ``priority`` (-100
        to 100, higher first), ``exclusive`` (run while nothing else runs in the worker's process). Raises
        ``InvalidStep`` for options that are unknown or exclude each other.
        """
        return WorkflowContext(self._replay, self._options.derive(**options), self._sources)

    def bound_to(self, options: StepOptions) -> WorkflowContext:
        """``with_options``, of options that were checked before."""
        return WorkflowContext(self._replay, options, self._sources)

    # -- steps

    @overload
    def run_query(self, fn: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]: ...
    @overload
    def run_query(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]: ...
    @overload
    def run_query(self, fn: TaskOf[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]: ...
    @overload
    def run_query(self, fn: TaskOf[P, R], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]: ...
    def run_query(self, fn: Any, /, *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        """Read, in one read-only transaction that sees one state of the database."""
        return self._call(StepKind.QUERY, fn, args, kwargs)

    @overload
    def run_mutation(
        self, fn: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[R]: ...
    @overload
    def run_mutation(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]: ...
    @overload
    def run_mutation(self, fn: TaskOf[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]: ...
    @overload
    def run_mutation(self, fn: TaskOf[P, R], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]: ...
    def run_mutation(self, fn: Any, /, *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        """Write, in the same transaction as the journal entry: exactly once."""
        return self._call(StepKind.MUTATION, fn, args, kwargs)

    @overload
    def run_action(self, fn: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]: ...
    @overload
    def run_action(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]: ...
    @overload
    def run_action(self, fn: TaskOf[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]: ...
    @overload
    def run_action(self, fn: TaskOf[P, R], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]: ...
    def run_action(self, fn: Any, /, *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
        """Do anything: at least once with retry, at most once without."""
        return self._call(StepKind.ACTION, fn, args, kwargs)

    def run_workflow(self, definition: Definition[P, R], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[R]:
        """Run a whole child workflow as one step.

        Raises ``ChildWorkflowFailed`` or ``ChildWorkflowCanceled`` where it is awaited.
        """
        if not isinstance(definition, Definition):
            raise InvalidStep(f"run_workflow needs a workflow definition (@workflow.define), got {definition!r:.120}")
        check_options(self._options, StepKind.WORKFLOW)
        signature = definition.signature
        name = self._options.name or definition.name
        text = signature.encode_arguments(
            args, kwargs, what=self._what(name), max_bytes=self._limit, apply_defaults=True
        )
        return self._ask(StepKind.WORKFLOW, name, text, definition, self._reader(signature.result))

    @overload
    def await_event(self, event: EventDefinition[R], timeout: Duration | None = None) -> asyncio.Future[R]: ...
    @overload
    def await_event(self, event: str | UUID, timeout: Duration | None = None) -> asyncio.Future[Any]: ...
    def await_event(self, event: Any, timeout: Duration | None = None) -> asyncio.Future[Any]:
        """Wait for an event by definition, name or id; first sent, first taken.

        Raises ``EventFailed`` when it was sent with an error, or with a value that cannot be read as the event's type;
        ``TimeoutError`` after ``timeout``. With ``run_after`` or
        ``run_at`` it is two steps: a timer under the event's name, and then the wait.
        """
        check_options(self._options, StepKind.EVENT)
        event_name, event_id = event_name_or_id(event)
        name = self._options.name or event_name or str(event_id)
        if self._options.run_after is not None or self._options.run_at is not None:
            return asyncio.ensure_future(await_later(self, event, timeout, name))
        timeout = self._options.timeout if timeout is None else timeout
        decode = self._reader(event.codec) if isinstance(event, EventDefinition) else None
        delay = None if timeout is None else to_seconds(timeout, what="await_event: timeout")
        shown = "null" if delay is None else repr(delay)
        text = f'{{"event":"{event_id}","timeout":{shown}}}' if event_id else f'{{"timeout":{shown}}}'
        ask = Ask(0, StepKind.EVENT, name, text, event_name, self._options, delay)
        ask.event_id = str(event_id) if event_id else None
        ask.event = event.reference if isinstance(event, EventDefinition) else ""
        return self._replay.ask(ask, decode)

    def create_event(self, event: EventDefinition[Any] | str) -> asyncio.Future[UUID]:
        """Make an event by definition or name ahead of time; its id can be handed out and awaited later."""
        name = event.name if isinstance(event, EventDefinition) else event
        check_name(name, what="the name of an event")
        check_options(self._options, StepKind.CREATE_EVENT)
        ask = Ask(0, StepKind.CREATE_EVENT, name, "{}", name, StepOptions(name=name))
        ask.event = event.reference if isinstance(event, EventDefinition) else ""
        return self._replay.ask(ask, _decode_uuid)

    def sleep(self, duration: Duration, name: str | None = None) -> asyncio.Future[None]:
        """Wait that long (seconds or timedelta), for months if need be, without holding a worker.

        With ``run_after`` or ``run_at`` the time begins to count then.
        """
        seconds = to_seconds(duration, what="sleep")
        args, options = f'{{"seconds":{seconds!r}}}', self._options
        if options.run_at is not None:
            return self._sleep(args, name, run_at=options.run_at + timedelta(seconds=seconds))
        delay = 0.0 if options.run_after is None else to_seconds(options.run_after, what="run_after")
        return self._sleep(args, name, delay=delay + seconds)

    def sleep_until(self, instant: datetime, name: str | None = None) -> asyncio.Future[None]:
        """Wait until an aware datetime; with ``run_after`` or ``run_at`` until then, should that be later."""
        aware(instant, what="sleep_until")
        args, begin = f'{{"until":"{instant.isoformat()}"}}', self._options.run_at
        if self._options.run_after is not None:
            begin = self.now() + timedelta(seconds=to_seconds(self._options.run_after, what="run_after"))
        return self._sleep(args, name, run_at=instant if begin is None else max(instant, begin))

    @overload
    def map(self, fn: Callable[[T], Awaitable[R]], items: Iterable[T], *, limit: int = ...) -> _Results[R]: ...
    @overload
    def map(self, fn: Callable[[T], R], items: Iterable[T], *, limit: int = ...) -> _Results[R]: ...
    @overload
    def map(self, fn: TaskOf[[T], Awaitable[R]], items: Iterable[T], *, limit: int = ...) -> _Results[R]: ...
    @overload
    def map(self, fn: TaskOf[[T], R], items: Iterable[T], *, limit: int = ...) -> _Results[R]: ...
    def map(self, fn: Any, items: Iterable[Any], *, limit: int = 20) -> _Results[Any]:
        """Run ``fn`` as an action for each item, at most ``limit`` at once; the results in the order of the items.

        As soon as one has ended the next begins. The first that fails is raised, and the others are dropped.
        """
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise InvalidStep(f"map: limit must be an int of at least 1, got {limit!r}")
        return asyncio.ensure_future(rolling_map(self, fn, list(items), limit))

    def continue_as_new(self, *args: Any, **kwargs: Any) -> NoReturn:
        """End this run and begin the handler anew with these arguments: same id, same key, empty journal.

        For loops that never end. Events that were sent and not taken are kept; steps and children that are still open
        are dropped. It does not return.
        """
        definition = self._replay.definition
        what = f"arguments of {definition.name}"
        raise ContinueAsNew(
            definition.signature.encode_arguments(args, kwargs, what=what, max_bytes=self._limit, apply_defaults=True)
        )

    # -- what is the same on every replay

    @property
    def workflow_id(self) -> UUID:
        """The id of this workflow."""
        return self._replay.workflow_id

    @property
    def scheduled_for(self) -> datetime | None:
        """The time of the schedule (``schedule_workflow``) for which this workflow was started, however late that was.

        ``None`` where no schedule started it, and in children. It stays the same when the workflow is restarted, or
        continues as new.
        """
        return self._replay.scheduled_for

    def now(self) -> datetime:
        """The recorded time of what the handler was told last; use it in place of ``datetime.now``."""
        return self._replay.now

    @property
    def random(self) -> random.Random:
        """Random numbers, the same on every replay of this workflow."""
        return self._sources.random

    def uuid4(self) -> UUID:
        """A random UUID, the same on every replay of this workflow."""
        return UUID(int=self._sources.ids.getrandbits(128), version=4)

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """The handler's module's logger; silent while the handler is led through what it did before."""
        return self._sources.logger

    def patched(self, patch_id: str) -> bool:
        """Whether to take the new branch of changed code: True unless this workflow passed here before the change."""
        check_name(patch_id, what="patched")
        return self._replay.patched(patch_id)

    # -- inside

    @property
    def _limit(self) -> int:
        return self._replay.limits.payload_bytes

    def _what(self, name: str) -> str:
        return f"arguments of step {self._replay.next_number} ({name})"

    def _reader(self, codec: Codec[Any]) -> Decode:
        return (codec.for_workflows if self._replay.references else codec).decode

    def _call(self, kind: StepKind, fn: Any, args: Any, kwargs: Any) -> asyncio.Future[Any]:
        if kind not in self._fit:
            check_options(self._options, kind)
            self._fit.add(kind)
        if type(fn) is not FunctionType:
            fn = step_function(fn)
        path = step_function_path(fn)
        registry.functions.setdefault((self._replay.definition.name, path), fn)
        signature = Signature.of(fn)
        name = self._options.name or path
        text = signature.encode_arguments(
            args, kwargs, what=self._what(name), max_bytes=self._limit, apply_defaults=False
        )
        return self._ask(kind, name, text, fn, self._reader(signature.result))

    def _ask(self, kind: StepKind, name: str, args: str, function: Any, decode: Any) -> asyncio.Future[Any]:
        options = self._options
        delay = None if options.run_after is None else to_seconds(options.run_after, what="run_after")
        return self._replay.ask(Ask(0, kind, name, args, function, options, delay, options.run_at), decode)

    def _sleep(
        self, args: str, name: str | None, delay: float | None = None, run_at: datetime | None = None
    ) -> asyncio.Future[None]:
        check_options(self._options, StepKind.SLEEP)
        label = check_name(name, what="name") if name is not None else self._options.name or "sleep"
        return self._replay.ask(Ask(0, StepKind.SLEEP, label, args, None, self._options, delay, run_at))


def _decode_uuid(text: str) -> UUID:
    return UUID(text.strip('"'))
