"""Parsed source files: where a function stands in its file, and what comments there vouch for."""

from __future__ import annotations

import ast
import re
from functools import cached_property
from importlib.util import decode_source
from pathlib import Path
from types import CodeType

from .scopes import FunctionNode

_VOUCHED = re.compile(r"#\s*deterministic:\s*[^\s#]")


class Source:
    """One parsed file."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tree = ast.parse(text)

    @cached_property
    def vouched(self) -> frozenset[int]:
        """The lines that bear ``# deterministic: <reason>``."""
        if "deterministic:" not in self._text:
            return frozenset()
        lines = enumerate(self._text.splitlines(), start=1)
        return frozenset(number for number, line in lines if _VOUCHED.search(line))

    @cached_property
    def rebound(self) -> frozenset[str]:
        """The module's names that its functions bind anew, by ``global``."""
        if "global " not in self._text:
            return frozenset()
        return frozenset(name for node in ast.walk(self._tree) if isinstance(node, ast.Global) for name in node.names)

    def function(self, code: CodeType) -> FunctionNode | None:
        """The node of a compiled function; ``None`` if the file is not what was compiled, and for a lambda."""
        return self._functions.get((code.co_name, code.co_firstlineno))

    @cached_property
    def _functions(self) -> dict[tuple[str, int], FunctionNode]:
        return {
            (node.name, min([node.lineno, *(each.lineno for each in node.decorator_list)])): node
            for node in ast.walk(self._tree)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        }


class Sources:
    """Files, each parsed once. Trees are large: whoever made this drops it when it has read what it wanted."""

    def __init__(self) -> None:
        self._known: dict[str, Source | None] = {}

    def of(self, code: CodeType) -> Source | None:
        """The file of a compiled function; ``None`` if there is none, or it cannot be read as Python."""
        filename = code.co_filename
        if filename not in self._known:
            self._known[filename] = _parse(Path(filename))
        return self._known[filename]


def _parse(path: Path) -> Source | None:
    try:
        return Source(decode_source(path.read_bytes()))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
