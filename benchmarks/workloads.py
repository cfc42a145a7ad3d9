"""The workloads: what is asked of each engine, and what figures come of it."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

from .engines.engine import CannotDo, Engine

Figures = dict[str, float]

#: To try a workload out, not to measure: ``BENCHMARK_SCALE=0.1`` makes everything a tenth as large.
_SCALE = float(os.environ.get("BENCHMARK_SCALE", "1"))


def scaled(count: int) -> int:
    return max(10, round(count * _SCALE))


WORKFLOWS, STEPS = scaled(200), 10
#: How often what takes a second or two is done in one round; the median counts.
REPEATS = 3
LATENCIES = scaled(60)
LONG = scaled(5000)
NAP_EVERY, NAP = 10, 0.01


def sequential(
    engine: Engine, kind: str = "actions", name: str = "w1_actions_per_s", workflows: int = WORKFLOWS
) -> Figures:
    """200 workflows of 10 steps, or as many as are asked for."""
    engine.sequential(20, STEPS, kind)
    taken = statistics.median(engine.sequential(workflows, STEPS, kind) for _ in range(REPEATS))
    return {name: workflows * STEPS / taken}


def latency(engine: Engine) -> Figures:
    """One workflow of one step at a time, on an idle system."""
    taken = milliseconds(engine.latency, LATENCIES, pause=0.03)
    return {"w2_p50_ms": statistics.median(taken), "w2_p95_ms": taken[int(0.95 * len(taken))]}


def long(engine: Engine) -> Figures:
    """One workflow of many steps."""
    return _tenths("w3", engine.long(round(LONG * engine.share)))


def naps(engine: Engine) -> Figures:
    """The same, with a sleep of 10 ms after every ten steps."""
    return _tenths("w3_naps", engine.naps(round(LONG * engine.share), NAP_EVERY, NAP))


def replay(engine: Engine) -> Figures:
    """A workflow's code led through its stored journal, from reading it to its end."""
    once = engine.replay(LONG)
    return {"w3_replay_per_s": LONG / statistics.median(once() for _ in range(REPEATS))}


def fan_out(engine: Engine) -> Figures:
    """Steps side by side, and children."""
    found = {"w4_parallel_200_s": statistics.median(engine.parallel(scaled(200)) for _ in range(REPEATS))}
    try:
        return found | {"w4_children_200_s": statistics.median(engine.children(scaled(200)) for _ in range(REPEATS))}
    except CannotDo:
        return found


def starts(engine: Engine, count: int = scaled(1000)) -> Figures:
    """Starts that nobody works on."""
    engine.clear()
    many = scaled(10_000)
    found = {"w5_starts_per_s": count / statistics.median(engine.starts(count) for _ in range(REPEATS))}
    try:
        return found | {"w5_batch_per_s": many / statistics.median(engine.batch(many) for _ in range(REPEATS))}
    except CannotDo:
        return found


def waits(engine: Engine) -> Figures:
    """1,000 workflows of three steps that wait for 200 ms each."""
    workflows, steps, seconds = scaled(1000), 3, 0.2
    engine.waits(20, steps, seconds)
    return {"w6_waits_per_s": workflows * steps / engine.waits(workflows, steps, seconds)}


def tasks(engine: Engine) -> Figures:
    """One-step tasks of Django's Tasks: enqueued and run, and enqueued while nobody works on them."""
    many = scaled(2000)
    engine.clear()
    engine.tasks(20)
    figures = {"tasks_per_s": many / statistics.median(engine.tasks(many) for _ in range(REPEATS))}
    for name, enqueue in (
        ("enqueues", engine.enqueues),
        ("enqueues_together", engine.enqueues_together),
        ("enqueue_batch", engine.enqueue_batch),
    ):
        try:
            figures[f"tasks_{name}_per_s"] = many / statistics.median(enqueue(many) for _ in range(REPEATS))
        except CannotDo:
            continue
    return figures


#: What every engine is asked for, by name.
WORKLOADS: dict[str, Callable[[Any], Figures]] = {
    "w1": sequential,
    "w2": latency,
    "w3": long,
    "naps": naps,
    "replay": replay,
    "w4": fan_out,
    "w5": starts,
    "w6": waits,
    "tasks": tasks,
}


def milliseconds(once: Callable[[], float], count: int, pause: float = 0.0) -> list[float]:
    """``count`` times of ``once()``, sorted."""
    taken = []
    for _ in range(count):
        time.sleep(pause)
        taken.append(1000 * once())
    return sorted(taken)


def _tenths(name: str, ends: list[float]) -> Figures:
    tenth = len(ends) // 10
    first, last = ends[tenth] - ends[0], ends[-1] - ends[-1 - tenth]
    return {
        f"{name}_first_ms": 1000 * first / tenth,
        f"{name}_last_ms": 1000 * last / tenth,
        f"{name}_last_over_first": last / first,
        f"{name}_mean_ms": 1000 * (ends[-1] - ends[0]) / (len(ends) - 1),
    }
