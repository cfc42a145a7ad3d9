"""Functions that the handlers of these tests run as steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass
class Place:
    name: str
    seen_at: datetime | None = None


class CardDeclined(ValueError):
    pass


def echo(value: Any) -> Any:
    return value


def other(value: Any) -> Any:
    return value


def add(left: int, right: int) -> int:
    return left + right


def broken(message: str) -> None:
    raise CardDeclined(message)


def find(name: str) -> Place:
    return Place(name)


async def fetch(url: str) -> str:
    return url
