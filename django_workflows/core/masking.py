"""Hides what nobody should read over a shoulder: values under telling keys of a payload, and secrets inside texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from .plain_json import MAX_DEPTH

#: What stands in the place of a value that is hidden.
MASK = "********"

#: Parts of keys whose values are hidden where a project says nothing else. Compared without case, ``_``, ``-``, ``.``.
SENSITIVE = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "authorization",
    "api_key",
    "access_key",
    "private_key",
    "credential",
    "cookie",
    "session_id",
    "card_number",
    "cvv",
    "iban",
    "ssn",
)

_SEPARATORS = re.compile(r"[\s_.\-]+")
_CREDENTIALS = re.compile(r"\b((?:bearer|basic|digest)\s+)[\w.~+/=:-]{6,}", re.IGNORECASE)
_IN_URL = re.compile(r"(?<=://)([^\s/:@]*):([^\s/@]+)(?=@)")


class Masking:
    """Hides the values whose keys contain one of ``words``. Copies; never changes what it is given."""

    def __init__(self, words: Iterable[str] = SENSITIVE) -> None:
        parts = [re.escape(_plain(word)) for word in words if _plain(word)]
        self._key = re.compile("|".join(parts)) if parts else None
        loose = "|".join(r"[\s_.\-]?".join(map(re.escape, _plain(word))) for word in words if _plain(word))
        self._pair = re.compile(rf"""(?ix)
            (\b [\w.\-]{{0,40}} (?:{loose}) [\w.\-]{{0,40}} ["']? \s* [=:] \s*)     # key, and what follows it
            (?: "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | (?!\*{{8}}) [^\s,;&)}}\]"']+ (?:\s+\*{{8}})? )
        """) if loose else None  # fmt: skip

    def hides(self, key: object) -> bool:
        """Whether the value under ``key`` is hidden."""
        return self._key is not None and isinstance(key, str) and self._key.search(_plain(key)) is not None

    def value(self, value: Any, depth: int = 0) -> Any:
        """``value``, made of dicts, lists and scalars, with ``MASK`` in the place of what is hidden.

        ``None`` stays: that nothing was given is no secret. What is nested deeper than a journal can hold is hidden.
        """
        if depth > MAX_DEPTH:
            return MASK
        if isinstance(value, dict):
            return {
                key: MASK if item is not None and self.hides(key) else self.value(item, depth + 1)
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.value(item, depth + 1) for item in value]
        return value

    def json(self, text: str | None) -> str | None:
        """``value`` of a JSON text, as text, which stays as it is where nothing of it is hidden.

        A text that is no JSON is treated as ``text``.
        """
        if text is None:
            return None
        try:
            decoded = json.loads(text)
        except (ValueError, RecursionError):
            return self.text(text)
        masked = self.value(decoded)
        return text if masked == decoded else json.dumps(masked, separators=(",", ":"))

    def text(self, text: str) -> str:
        """A message, traceback or log line without passwords in URLs, credentials of HTTP, and ``key=value`` pairs.

        It finds what looks like one; it cannot know a secret that stands there by itself.
        """
        text = _IN_URL.sub(rf"\1:{MASK}", text)
        text = _CREDENTIALS.sub(rf"\1{MASK}", text)
        return text if self._pair is None else self._pair.sub(rf"\1{MASK}", text)


def _plain(key: str) -> str:
    return _SEPARATORS.sub("", key).lower()


@lru_cache(maxsize=16)
def masking_of(words: tuple[str, ...]) -> Masking:
    """The ``Masking`` of these words, made once: ``masking_of(settings.MASKED_KEYS)``."""
    return Masking(words)
