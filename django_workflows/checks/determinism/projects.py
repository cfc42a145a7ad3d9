"""Tells a project's own code from the standard library and from what was installed."""

from __future__ import annotations

import site
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path

_OWN = Path(__file__).resolve().parents[2]


@lru_cache(maxsize=1)
def _installed() -> tuple[Path, ...]:
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return tuple(Path(path).resolve() for path in {*paths, *site.getsitepackages(), site.getusersitepackages()})


@lru_cache(maxsize=4096)
def is_project_file(filename: str) -> bool:
    """Whether that is a file of the project: neither Python's, nor installed, nor of django_workflows."""
    if filename.startswith("<"):
        return False
    path = Path(filename).resolve()
    return not any(path.is_relative_to(each) for each in (*_installed(), _OWN))


def is_project_module(name: str) -> bool:
    """Whether a module that is imported is the project's; False for one that is not imported, or has no file."""
    filename = getattr(sys.modules.get(name), "__file__", None)
    return filename is not None and is_project_file(filename)
