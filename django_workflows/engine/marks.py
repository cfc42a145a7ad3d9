"""Which of the steps that a worker holds it has not begun, kept where it is found when that worker is killed.

A worker that runs one step holds one, and whether that was begun need not be asked. With a batch it holds several, and
if its process dies those that it had not begun are not lost attempts. A page of memory with a file's name tells; it
outlives the process, not the machine. Where there is none, every step counts as begun, as it does for the database.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from ..core.journal import AttemptId, ClaimedStep

_COUNT = struct.Struct("<I")
#: Whether it was begun, then what names an attempt: workflow, generation, number, attempt.
_ENTRY = struct.Struct("<B16sIII")
_BEGUN = 1
_SIZE = 1 << 16
_MOST = (_SIZE - _COUNT.size) // _ENTRY.size


def _folder() -> Path | None:
    """A folder of this user's alone; ``None`` if there can be none."""
    if not hasattr(os, "getuid"):
        return None
    folder = Path(tempfile.gettempdir()) / f"django_workflows-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    private = found.st_uid == os.getuid() and not found.st_mode & 0o077
    return folder if private and not folder.is_symlink() else None


def _file(worker: str) -> Path | None:
    folder = _folder()
    return None if folder is None else folder / hashlib.blake2s(worker.encode(), digest_size=16).hexdigest()


class Marks:
    """This process's page."""

    def __init__(self) -> None:
        self._worker = ""
        self._page: mmap.mmap | None = None
        self._places: dict[tuple[UUID, int, int], int] = {}

    def expect(self, worker: str, steps: Iterable[ClaimedStep]) -> None:
        """Before these are written as running: they are not begun. What was expected before is begun, or not ours."""
        page = self._page if worker == self._worker else self._open(worker)
        if page is None:
            return
        _COUNT.pack_into(page, 0, 0)  # dying here leaves nothing unbegun
        self._places.clear()
        count = 0
        for step in steps:
            if count == _MOST:
                break
            place = _COUNT.size + count * _ENTRY.size
            _ENTRY.pack_into(page, place, 0, step.workflow_id.bytes, step.generation, step.number, step.attempt)
            self._places[step.workflow_id, step.number, step.attempt] = place
            count += 1
        _COUNT.pack_into(page, 0, count)

    def begun(self, step: ClaimedStep) -> None:
        """Before its function is called."""
        place = self._places.get((step.workflow_id, step.number, step.attempt))
        if place is not None and self._page is not None:
            self._page[place] = _BEGUN

    def clear(self) -> None:
        """Nothing is unbegun any more."""
        self._places.clear()
        if self._page is not None:
            _COUNT.pack_into(self._page, 0, 0)

    def _open(self, worker: str) -> mmap.mmap | None:
        self._worker, self._page = worker, None
        self._places.clear()
        file = _file(worker)
        if file is not None:
            with suppress(OSError), file.open("w+b") as opened:
                opened.truncate(_SIZE)
                self._page = mmap.mmap(opened.fileno(), _SIZE)
        return self._page


marks = Marks()


def unbegun(worker: str) -> list[AttemptId]:
    """The attempts that a worker of this machine held and had not begun; none if that is not known."""
    file = _file(worker)
    try:
        page = b"" if file is None else file.read_bytes()
    except OSError:
        page = b""
    if len(page) < _SIZE:
        return []
    (count,) = _COUNT.unpack_from(page)
    entries = (_ENTRY.unpack_from(page, _COUNT.size + place * _ENTRY.size) for place in range(min(count, _MOST)))
    return [
        AttemptId(UUID(bytes=workflow), generation, number, attempt)
        for begun, workflow, generation, number, attempt in entries
        if begun != _BEGUN
    ]


def forget(worker: str) -> None:
    """A worker is gone, and what it held is given back."""
    file = _file(worker)
    if file is not None:
        with suppress(OSError):
            file.unlink()
