"""Makes foreign texts safe and short enough for a picture."""

from __future__ import annotations

import unicodedata


def readable(text: str) -> str:
    """``text`` with what XML or a reader's eye cannot take (control characters, surrogates, bidi marks) replaced."""
    return (
        text
        if text.isprintable()
        else "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    )


def columns(text: str) -> int:
    """About how wide a text is, in columns of a narrow letter."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def cut(text: str, most: int) -> str:
    """``text``, or as much of its end as ``most`` columns hold: of a dotted path the end tells it apart."""
    if columns(text) <= most:
        return text
    # Two columns a letter at the most, so that this many are too many; then one by one.
    text = text[-max(most, 1) :]
    while text and columns(text) > most - 1:
        text = text[1:]
    return f"…{text}"
