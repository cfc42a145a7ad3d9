"""Which code this process runs, and whether workflows wait for it that other code has blocked.

A worker that starts with code which no worker had before looks at what is blocked for a mismatch or an unknown
definition, once for each workflow: which code has found it blocked is in its row. It claims them itself, rather than
make them due, so that workers which still run the older code do not block them again meanwhile.
"""

from __future__ import annotations

import hashlib
import sys
import sysconfig
import time
from contextlib import suppress
from multiprocessing.sharedctypes import RawArray, RawValue
from pathlib import Path

from ..core.registry import registry
from ..store import blocked

_LENGTH = 12
#: Seconds between two looks, at first, and at the most where the last ones found nothing.
_FIRST, _MOST = 2.0, 15.0
_INSTALLED = tuple(str(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))

# In memory that processes share by fork. All of a cluster must mean the same code: one that has loaded another module
# meanwhile would take itself for newer.
_code = RawArray("c", _LENGTH)
_ahead = RawValue("b", 0)


def code() -> str:
    """A fingerprint of the code of this process: of the project's modules, and of those that define workflows."""
    if not _code.value:
        _code.value = _fingerprint().encode()
    return str(_code.value.decode())


def _fingerprint() -> str:
    ours = {_top(__name__), *(_top(definition.handler.__module__) for definition in registry)}
    found = hashlib.sha256()
    for name, module in sorted(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if name == "__main__" or not path or not path.endswith(".py"):
            continue
        if _top(name) in ours or not path.startswith(_INSTALLED):
            found.update(name.encode())
            with suppress(OSError):
                found.update(Path(path).read_bytes())
    return found.hexdigest()[:_LENGTH]


def _top(module: str) -> str:
    return module.partition(".")[0]


def names() -> list[str]:
    """What is defined here."""
    return [definition.name for definition in registry]


class BlockedWatch:
    """Looks, now and then, whether workflows of a queue are blocked that this code has not looked at."""

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._pause = _FIRST
        self._look_at = 0.0

    def look(self) -> bool:
        """Whether there are some, as far as it is time to look; then the next drain of this cluster takes them."""
        if time.monotonic() < self._look_at:
            return False
        found = blocked.has_resumable(self._queue, code(), names())
        if found:
            _ahead.value = 1
        self._pause = _FIRST if found else min(_MOST, 2 * self._pause)
        self._look_at = time.monotonic() + self._pause
        return found


def is_ahead() -> bool:
    """Whether a look has found some, which are not all taken."""
    return bool(_ahead.value)


def none_ahead() -> None:
    _ahead.value = 0
