"""How far a handler may go in one turn, and what ends the turn from outside."""

from __future__ import annotations

import threading
from dataclasses import dataclass


class Telling:
    """Whether a handler is being told something new, and of how many things it was."""

    __slots__ = ("count", "is_told")

    def __init__(self) -> None:
        self.count, self.is_told = 0, False


class _TellingHere(threading.local):
    now: Telling | None = None


#: In each thread what is kept of the handler that runs there, if somebody limits its time.
telling_here = _TellingHere()


@dataclass(frozen=True, slots=True)
class Limits:
    """How far one turn may go, and how large what it asks for may be.

    ``interrupts`` are exceptions that others raise in the handler from outside, a timeout for example: they end the
    turn and not the handler.
    """

    asks: int = 20_000
    payload_bytes: int = 1024 * 1024
    interrupts: tuple[type[BaseException], ...] = ()


def interrupt_in(error: BaseException | None, interrupts: tuple[type[BaseException], ...]) -> BaseException | None:
    """What interrupted the code that raised ``error``, which may be a group that holds it; ``None``: nothing did."""
    while isinstance(error, BaseExceptionGroup):
        found = error.subgroup(interrupts)
        error = None if found is None else found.exceptions[0]
    return error if isinstance(error, interrupts) else None


def raise_interrupt(error: BaseException | None, interrupts: tuple[type[BaseException], ...]) -> None:
    """Raise what interrupted the handler, which may have come out of it in a group."""
    found = interrupt_in(error, interrupts)
    if found is not None:
        raise found
