"""Texts of PostgreSQL's arrays, which take a driver longer to make of lists than the server needs to store the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: Types whose values, written as Python writes them, need no quotes in an array.
_BARE = frozenset({"int", "float8", "uuid", "boolean", "timestamptz"})


def array(values: Sequence[Any], kind: str) -> str:
    """``values``, each of PostgreSQL's type ``kind`` or ``None``, as the text of an array of that type."""
    if kind in _BARE:
        return f"{{{','.join(['NULL' if value is None else str(value) for value in values])}}}"
    assert kind == "text", kind
    return f"{{{','.join(['NULL' if value is None else _quoted(value) for value in values])}}}"


def _quoted(value: str) -> str:
    if "\\" in value:
        value = value.replace("\\", "\\\\")
    if '"' in value:
        value = value.replace('"', '\\"')
    return f'"{value}"'
