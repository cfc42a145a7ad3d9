"""For users' own tests: runs workflows in the test's process and transaction, with fakes and a clock to move."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..core.histories import History
    from .replays import assert_replays
    from .rest import NoRest, StepNotWritten, WorkflowBlocked
    from .tester import WorkflowTester

# Imported when first used: pytest imports this package with its plugin, long before Django is set up.
_HOMES = {
    "History": "..core.histories",
    "NoRest": ".rest",
    "StepNotWritten": ".rest",
    "WorkflowBlocked": ".rest",
    "WorkflowTester": ".tester",
    "assert_replays": ".replays",
}


def __getattr__(name: str) -> Any:
    module = _HOMES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(module, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])


__all__ = ["History", "NoRest", "StepNotWritten", "WorkflowBlocked", "WorkflowTester", "assert_replays"]
