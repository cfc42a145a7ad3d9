"""Tells whether a process of this machine is still the one that a worker's id names.

An id carries what names a process for good: machine, process id, and when the process began. Where the system does not
tell these (there is no ``/proc``), nothing is known about any process, and leases alone bring lost work back.
"""

from __future__ import annotations

import hashlib
import os
import socket
from functools import lru_cache
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PROCESSES = Path("/proc/self/ns/pid")


@lru_cache
def machine() -> str:
    """A name for this boot of this machine and its space of process ids (a container has its own); "" if unknown."""
    try:
        parts = [socket.gethostname(), _BOOT.read_text(encoding="ascii"), str(_PROCESSES.readlink())]
    except OSError:
        return ""
    return hashlib.blake2s("\0".join(parts).encode(), digest_size=6).hexdigest()


def began(pid: int) -> str:
    """When a process began, in clock ticks since the boot; "" if it is gone, ended, or not to be seen."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (OSError, ValueError):
        return ""
    return "" if state in "ZX" else fields[18]


def worker_id(pid: int, token: str) -> str:
    """An id for a worker in process ``pid`` of this machine, of 64 characters at most."""
    return f"{socket.gethostname()[:24]}:{pid}:{began(pid)}:{machine()}:{token}"


def is_gone(worker: str) -> bool:
    """Whether that worker's process has ended for certain: False for one elsewhere, or where it cannot be known."""
    _, pid, start, where, *_ = [*worker.split(":"), "", "", ""]
    if not (pid.isdigit() and start and where) or where != machine():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # it is another user's, whose processes may be hidden from us
    return began(int(pid)) != start
