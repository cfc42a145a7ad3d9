"""What is started, and which end each of them must come to."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from tests.app import chaos_workflows as shapes

#: How many of each kind in a hundred.
WEIGHTS = {
    "sequential": 22,
    "flies": 14,
    "parallel": 16,
    "parent": 12,
    "flock": 6,
    "waits": 11,
    "timer": 9,
    "retried": 10,
    "at_most_once": 7,
    "given_up": 7,
}


@dataclass(frozen=True)
class Planned:
    """One workflow. ``marks`` are the effects that it must leave exactly once, ``state`` is how it must end."""

    key: str
    shape: str
    args: dict[str, Any]
    marks: frozenset[str]
    state: str = "completed"
    result: str | None = None
    #: Seconds after its start at which it gets its event, or is canceled.
    later: float = 0.0
    actions: frozenset[str] = field(default=frozenset())

    @property
    def definition(self) -> Any:
        return getattr(shapes, self.shape)


def plan(count: int, rng: random.Random) -> list[Planned]:
    kinds = rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=count)
    return [_planned(f"{kind}-{index}", kind, rng) for index, kind in enumerate(kinds)]


def _planned(key: str, kind: str, rng: random.Random) -> Planned:
    args: dict[str, Any] = {"key": key}
    later = round(rng.uniform(0.0, 3.0), 3)
    if kind == "timer":
        args["seconds"] = round(rng.uniform(0.2, 4.0), 3)
    marks, actions, result = _effects(key, kind)
    state = "canceled" if kind == "given_up" else "completed"
    return Planned(
        key,
        kind,
        args,
        frozenset([*marks, f"{key}:complete"]),
        state=state,
        result=result,
        later=later,
        actions=frozenset(actions),
    )


def _effects(key: str, kind: str) -> tuple[list[str], list[str], str | None]:
    """Marks, retried actions, and result; ``None``: it depends, or there is none."""
    if kind == "sequential":
        return [f"{key}:a", f"{key}:c"], [f"{key}:b"], f"{key} 1"
    if kind == "parallel":
        return [f"{key}:m", f"{key}:last"], [f"{key}:{index}" for index in range(4)], f"{key} 5"
    if kind == "parent":
        children = [_effects(f"{key}:{name}", "sequential") for name in "xy"]
        marks = [mark for child in children for mark in child[0]]
        return [*marks, f"{key}:end"], [action for child in children for action in child[1]], f"{key} 2"
    if kind == "waits":
        return [f"{key}:before", f"{key}:after"], [], f"{key} 7"
    return {
        "timer": ([], [key], f"{key} 1"),
        "flock": ([f"{key}:end"], [], f"{key} 40"),
        "flies": ([f"{key}:end"], [f"{key}:{index}" for index in range(6)], f"{key} 8"),
        "retried": ([f"{key}:end"], [key], f"{key} 1"),
        "at_most_once": ([f"{key}:end"], [], None),
        "given_up": ([f"{key}:cleaned"], [], None),
    }[kind]
