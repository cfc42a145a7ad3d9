"""Says what to use in place of those parts of an event loop that a handler cannot have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

from ..exceptions import UnsupportedInHandler

_NETWORK = "a handler has no network and no files: do it in a function run by step.run_action"
_ENGINE = "the workflow engine runs this loop, and it is as it is"
_PROCESS = "a handler starts no processes: do it in a function run by step.run_action"
_SERVER = "nobody can reach into a handler: send the workflow an event"
_SIGNAL = "a handler gets no signals: send the workflow an event"
_THREAD = (
    "threads cannot be replayed (async ORM calls and sync_to_async use one): "
    "move this into a function and await step.run_query, step.run_mutation or step.run_action"
)
_INSTEAD = {
    "run_in_executor": _THREAD,
    "call_soon_threadsafe": "another thread cannot reach into a handler: send the workflow an event instead",
    "create_server": _SERVER,
    "create_unix_server": _SERVER,
    "start_serving": _SERVER,
    "subprocess_exec": _PROCESS,
    "subprocess_shell": _PROCESS,
    "add_signal_handler": _SIGNAL,
    "remove_signal_handler": _SIGNAL,
    "run_forever": _ENGINE,
    "run_until_complete": f"{_ENGINE}: await the coroutine instead",
    "close": _ENGINE,
    "set_task_factory": _ENGINE,
    "get_task_factory": _ENGINE,
    "set_exception_handler": _ENGINE,
    "default_exception_handler": _ENGINE,
    "set_default_executor": _ENGINE,
    "shutdown_default_executor": _ENGINE,
}


def refuse_the_rest(loop_class: type[Any]) -> None:
    """Let what the class does not define itself raise ``UnsupportedInHandler``."""
    for name in dir(asyncio.AbstractEventLoop):
        if not name.startswith("_") and getattr(loop_class, name) is getattr(asyncio.AbstractEventLoop, name):
            setattr(loop_class, name, _refuse(name))


def _refuse(name: str) -> Callable[..., NoReturn]:
    why = _INSTEAD.get(name, _NETWORK)

    def refuse(self: object, *args: Any, **kwargs: Any) -> NoReturn:
        raise UnsupportedInHandler(f"loop.{name}() is not possible in a workflow handler: {why}")

    refuse.__name__ = name
    return refuse
