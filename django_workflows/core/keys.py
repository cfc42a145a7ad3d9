"""Idempotency keys of those who must not see, or take, each other's: a key with the name of its scope behind it."""

from __future__ import annotations

import hashlib

#: No key that somebody gives has it, since these are printable.
_BEHIND = "\x1f"
#: What the column holds, and what a scope may have of it.
_LIMIT, _SCOPE_LIMIT = 200, 64


class ScopedKey(str):
    """A key as it is stored, which no key that anybody gives is equal to."""

    __slots__ = ()


def scoped(key: str, scope: str) -> ScopedKey:
    """``key`` in ``scope``. What does not fit into 200 characters ends in a hash of the whole."""
    if len(scope) > _SCOPE_LIMIT:
        scope = _shortened(scope, _SCOPE_LIMIT)
    return ScopedKey(f"{_shortened(key, _LIMIT - len(scope) - 1)}{_BEHIND}{scope}")


def parted(stored: str) -> tuple[str, str]:
    """A stored key as it was given, and its scope, "" if it has none."""
    key, _, scope = stored.partition(_BEHIND)
    return key, scope


def _shortened(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:40]
    return f"{text[: limit - len(digest) - 1]}…{digest}"
