"""What people pass as step functions: some of it another process can import, and some not."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tests.app.steps import Point


@functools.singledispatch
def describe(value: int | str | Point) -> str:
    return f"something: {value}"


@describe.register
def _(value: int) -> str:
    return f"the number {value}"


@describe.register
def _(value: str) -> str:
    return f"the text {value}"


@describe.register
async def _(value: Point) -> str:
    return f"the point {value.x}"


@functools.singledispatch
def describe_all(*values: int) -> str:
    return f"{len(values)}"


@functools.lru_cache
def cached(value: int) -> int:
    return value + 1


def wrapping(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner


def without_wraps(function: Callable[..., Any]) -> Callable[..., Any]:
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner


@wrapping
async def wrapped_async(value: int) -> int:
    return value + 2


@without_wraps
def nameless(value: int) -> int:
    return value


def plain(value: int, other: int = 1) -> int:
    return value + other


partly = functools.partial(plain, other=2)


class Adder:
    def __call__(self, value: int) -> int:
        return value

    def add(self, value: int) -> int:
        return value


adder = Adder()


async def coroutine(value: int) -> int:
    return value
