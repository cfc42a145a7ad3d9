"""Worker processes of an engine that has no command for them, told over a pipe what to do."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


class WorkerProcess:
    """``work(pipe, *args)`` in a fresh process that dies with this one; it says something when it is ready."""

    def __init__(self, work: Callable[..., None], *args: Any) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(target=work, args=(theirs, *args), daemon=True)
        self._process.start()
        theirs.close()

    def ready(self, timeout: float = 60.0) -> None:
        """Wait until it has said that it is ready; ``EOFError`` if it ended before."""
        if not self._pipe.poll(timeout):
            raise TimeoutError("a worker process is not ready")
        self._pipe.recv()

    def tell(self, *order: Any) -> None:
        """Give it something to do; ``answer`` waits for what comes of it."""
        self._pipe.send(order)

    def answer(self) -> Any:
        return self._pipe.recv()

    def close(self) -> None:
        self._process.terminate()
        self._process.join()


def serve(pipe: Connection, orders: dict[str, Callable[..., Any]]) -> None:
    """Say that this process is ready, and carry out what it is told until the other end is closed."""
    pipe.send("ready")
    while True:
        try:
            name, *args = pipe.recv()
        except EOFError:
            return
        pipe.send(orders[name](*args))
