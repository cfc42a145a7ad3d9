"""Makes foreign texts safe and short enough for a terminal, and lays them out in columns."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from ..words.texts import PREVIEW, printable, short_name

__all__ = ["PREVIEW", "aligned", "fit", "pad", "plural", "preview", "printable", "short_name", "width"]


def preview(text: str, limit: int | None = PREVIEW) -> str:
    """``text`` in one printable line of at most ``limit`` characters and a note of what is missing; ``None``: whole."""
    shown = printable(text if limit is None else text[:limit])
    if limit is None or (len(text) <= limit and len(shown) <= limit):
        return shown
    return f"{shown[:limit]}... ({len(text):,} characters; --all shows them)"


def width(text: str) -> int:
    """How many columns of a terminal a printable text takes."""
    return len(text) if text.isascii() else sum(_columns_of(each) for each in text)


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fit(text: str, columns: int) -> str:
    """``text`` cut to ``columns`` at the most, the cut marked by dots."""
    if width(text) <= columns:
        return text
    while width(text) > columns - 3:
        text = text[: min(len(text) - 1, columns)]
    return f"{text}..."


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """``text`` cut or filled up to exactly ``columns``; ``right`` fills before it."""
    text = fit(text, columns)
    blanks = " " * (columns - width(text))
    return blanks + text if right else text + blanks


def aligned(rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), widest: int = 60) -> list[list[str]]:
    """The rows with their cells padded to one width per column, ``widest`` at the most.

    ``right`` are the indexes of the columns whose cells stand at the right.
    """
    widths = [min(widest, max(width(cell) for cell in column)) for column in zip(*rows, strict=True)]
    return [[pad(cell, widths[index], right=index in right) for index, cell in enumerate(row)] for row in rows]


def plural(count: int, noun: str) -> str:
    """``1 step``, ``1,000 steps``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
