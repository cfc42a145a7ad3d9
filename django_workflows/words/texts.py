"""Makes foreign texts safe and short enough to stand in a sentence."""

from __future__ import annotations

from django.utils.translation import ngettext

from ..core.keys import parted

#: Characters of a payload or error that are shown where not everything is asked for.
PREVIEW = 300


def printable(text: str) -> str:
    """``text`` with everything escaped that would not show as itself: control characters, line ends, bidi marks."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def shortened(text: str, limit: int | None = PREVIEW) -> str:
    """``text`` in one printable line of at most ``limit`` characters, and how long it is if that cut it."""
    shown = printable(text if limit is None else text[:limit])
    if limit is None or (len(text) <= limit and len(shown) <= limit):
        return shown
    length = ngettext("%(count)s character", "%(count)s characters", len(text)) % {"count": f"{len(text):,}"}
    return f"{shown[:limit]}... ({length})"


def shown_key(stored: str) -> str:
    """An idempotency key, and whose it is where each user has their own."""
    key, scope = parted(stored)
    return f"{key} ({scope})" if scope else key


def short_name(name: str) -> str:
    """The last part of a dotted path; any other name as it is."""
    parts = name.split(".")
    return parts[-1] if all(part.isidentifier() for part in parts) else name
