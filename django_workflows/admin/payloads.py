"""Shows arguments, results and errors: secrets masked, laid out, and not more of it than a page can take."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ..words.masked import masked_json, masked_text, masking
from ..words.texts import printable

#: So much of a payload is on the page; the whole of it can be downloaded.
SHOWN = 4_000
#: A step's payload of more characters than this is not even read for the page.
READ = 16_000


#: A payload that fits here is not spread over several lines.
ONE_LINE = 72


@dataclass(frozen=True)
class Payload:
    """A payload as a page shows it. ``cut``: there is more of it at ``url``. ``size`` is in characters."""

    text: str
    size: int
    cut: bool
    url: str

    @property
    def is_short(self) -> bool:
        """Whether it needs no room of its own."""
        return len(self.text) <= ONE_LINE and "\n" not in self.text


def payload(text: str | None, size: int, url: str) -> Payload | None:
    """``text`` as the page shows it; ``None`` where there is none, and an empty one where it was too long to read."""
    if text is None and not size:
        return None
    if text is None:
        return Payload("", size, True, url)
    whole = pretty(text)
    return Payload(whole[:SHOWN], size, len(whole) > SHOWN, url)


def pretty(text: str) -> str:
    """A JSON text with its secrets masked, laid out for reading; a text that is no JSON in the same way."""
    masked = masked_json(text)
    try:
        laid_out = laid_out_json(json.loads(masked))
    except (ValueError, RecursionError):
        laid_out = masked
    return readable(laid_out)


def laid_out_json(value: Any) -> str:
    """On one line if that is short."""
    line = json.dumps(value, ensure_ascii=False)
    return line if len(line) <= ONE_LINE else json.dumps(value, indent=2, ensure_ascii=False)


def readable(text: str) -> str:
    """``text`` with its lines, and everything escaped that would not show as itself."""
    return "\n".join(printable(line) for line in text.split("\n"))


def safe_text(text: str, limit: int | None = None) -> str:
    """A message without secrets, in readable characters."""
    shown = readable(masked_text(text))
    return shown if limit is None or len(shown) <= limit else f"{shown[:limit]}…"


def coded(text: str) -> SafeString:
    """A sentence in which what stands in backticks is set as code."""
    parts = text.split("`")
    set_parts = [format_html("<code>{}</code>", part) if odd % 2 else part for odd, part in enumerate(parts)]
    return format_html_join("", "{}", ((part,) for part in set_parts))


def without_secrets(value: Any) -> Any:
    """A value to begin a new one with: what is masked, or has something masked in it, must be given anew."""
    if isinstance(value, dict):
        hides = masking().hides
        return {key: without_secrets(item) for key, item in value.items() if not hides(key) and not _is_masked(item)}
    if isinstance(value, list):
        return [without_secrets(item) for item in value if not _is_masked(item)]
    return value


def _is_masked(value: Any) -> bool:
    return isinstance(value, str) and masking().value(value) != value
