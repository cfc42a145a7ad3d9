"""What is called in place of step functions and child workflows, and what they were called with."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from asgiref.sync import async_to_sync
from django.db import DatabaseError, transaction

from ..core.definitions import Definition, step_function_path
from ..core.journal import ClaimedStep, StepKind
from ..core.registry import registry
from ..engine.invoke import call
from ..store import workflows
from ..store.database import alias, connection
from .calls import RecordedCall, fitting, signature_of

MISSING: Any = object()

Callee = Callable[..., Any] | Definition[Any, Any]


class Fakes:
    """The fakes of one test, and every call of a step function while they are in force."""

    def __init__(self) -> None:
        self._functions: dict[str, Callable[..., Any]] = {}
        self._calls: dict[str, list[RecordedCall]] = {}
        self._originals: dict[str, Definition[Any, Any]] = {}

    def put(self, callee: Callee, fake: Callable[..., Any]) -> None:
        """Have ``fake`` called in place of ``callee``, from now on."""
        if isinstance(callee, Definition):
            self._put_definition(callee.name, fake)
        else:
            self._functions[step_function_path(callee)] = fake

    def calls(self, callee: Callee) -> list[RecordedCall]:
        """How ``callee`` was called, in order; of a workflow, how those that have begun were started."""
        if not isinstance(callee, Definition):
            return list(self._calls.get(step_function_path(callee), ()))
        begun = workflows.queryset().filter(name=callee.name, started_at__isnull=False).order_by("started_at", "id")
        decode, signature = callee.signature.decode_arguments, signature_of(callee)
        return [RecordedCall(signature, *decode(args)) for args in begun.values_list("args", flat=True)]

    def call_step(
        self, step: ClaimedStep, fn: Callable[..., Any], args: Any, kwargs: Any, timeout: float | None
    ) -> Any:
        """Call a step's function, or its fake; the engine's ``stand_in``."""
        signature = signature_of(fn)
        self._calls.setdefault(step.function, []).append(RecordedCall(signature, args, kwargs))
        fake = self._functions.get(step.function)
        if fake is not None:
            fn, (args, kwargs) = fake, fitting(fake, signature, args, kwargs)
        with _own_transaction(step):
            result = call(fn, args, kwargs, timeout)
            return async_to_sync(_awaited)(result) if fake is not None and inspect.isawaitable(result) else result

    def restore(self) -> None:
        """Give the registry its own definitions back."""
        for definition in self._originals.values():
            _register(definition)
        self._originals.clear()

    def _put_definition(self, name: str, fake: Callable[..., Any]) -> None:
        original = self._originals.get(name) or registry.find(name)
        signature = signature_of(original)

        @functools.wraps(original.handler)
        async def handler(context: Any, *args: Any, **kwargs: Any) -> Any:
            args, kwargs = fitting(fake, signature, args, kwargs)  # type: ignore[assignment]
            with _outside_the_loop():
                result = fake(*args, **kwargs)
            return await result if inspect.isawaitable(result) else result

        _register(replace(original, handler=handler))
        self._originals[name] = original


def fake_of(returns: Any, raises: Any, calls: Any) -> Callable[..., Any]:
    """What ``fake(..., returns= | raises= | calls=)`` asks for; ``TypeError`` unless it is exactly one of them."""
    if sum(given is not MISSING for given in (returns, raises, calls)) != 1:
        raise TypeError("fake() takes a function or definition, and one of returns=, raises= and calls=")
    if returns is not MISSING:
        return lambda *args, **kwargs: returns
    if calls is not MISSING:
        if not callable(calls):
            raise TypeError(f"fake(calls=...) takes a function, got {calls!r:.100}; for a result there is returns=")
        return calls  # type: ignore[no-any-return]
    if not isinstance(raises, BaseException) and not (isinstance(raises, type) and issubclass(raises, BaseException)):
        raise TypeError(f"fake(raises=...) takes an exception, got {raises!r:.100}")

    def fail(*args: Any, **kwargs: Any) -> None:
        raise raises if isinstance(raises, type) else raises.with_traceback(None)

    return fail


def _register(definition: Definition[Any, Any]) -> None:
    registry.remove(definition.name)
    registry.add(definition)


async def _awaited(result: Any) -> Any:
    return await result


@contextmanager
def _outside_the_loop() -> Iterator[None]:
    """A fake of a workflow is a test's code and runs once, so the database is open to it as it is not to a handler."""
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)


@contextmanager
def _own_transaction(step: ClaimedStep) -> Iterator[None]:
    """Let an action that breaks a transaction break no more than it would outside of the test's.

    A worker has none open while it runs an action, so a failed statement there leaves nothing behind.
    """
    if step.kind != StepKind.ACTION or not connection().in_atomic_block:
        yield
        return
    savepoint = connection().savepoint()
    assert savepoint is not None
    try:
        yield
    finally:
        try:
            broken = transaction.get_rollback(using=alias())
            if not broken:
                transaction.savepoint_commit(savepoint, using=alias())
        except DatabaseError:
            broken = True
        if broken:
            transaction.set_rollback(False, using=alias())
            transaction.savepoint_rollback(savepoint, using=alias())
