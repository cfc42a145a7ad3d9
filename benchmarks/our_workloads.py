"""What is asked of this package alone, beside the workloads of all."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from .engines.inserts import inserts_per_second
from .engines.ours import Ours
from .workloads import STEPS, WORKLOADS, Figures, fan_out, scaled, sequential, starts, waits

_INSERTS = scaled(300)
#: 200 workflows whose steps do nothing are over before their start, which is timed with them, is forgotten.
_MANY = scaled(2000)
_ORM_SECONDS = 1.5


def w1(engine: Ours) -> Figures:
    """Actions, mutations that insert a row each, the same inline, inline ones that do nothing, and the ORM alone."""
    return {
        **sequential(engine),
        **sequential(engine, "mutations", "w1_mutations_per_s"),
        **sequential(engine, "inline_mutations", "w1_inline_per_s"),
        **sequential(engine, "inline_nothing", "w1_inline_nothing_per_s"),
        **sequential(engine, "inline_nothing", "w1_inline_nothing_many_per_s", workflows=_MANY),
        "w1_orm_inserts_per_s": inserts_per_second(_ORM_SECONDS),
    }


def very_long(engine: Ours) -> Figures:
    """20,000 steps."""
    steps = scaled(20_000)
    ends = engine.long(steps)
    assert len(ends) == steps, len(ends)
    return {"w3_20000_mean_ms": 1000 * (ends[-1] - ends[0]) / (steps - 1)}


def w4(engine: Ours) -> Figures:
    """200 as everybody, and 2,000."""
    return {**fan_out(engine), "w4_parallel_2000_s": engine.parallel(scaled(2000))}


def w5(engine: Ours) -> Figures:
    """``start()`` beside an INSERT of one small row through the ORM, turn by turn."""
    engine.clear()
    pairs = [(engine.start(), engine.insert()) for _ in range(_INSERTS)]
    start, insert = (1000 * statistics.median(column) for column in zip(*pairs, strict=True))
    return {
        **starts(engine),
        "w5_start_p50_ms": start,
        "w5_insert_p50_ms": insert,
        "w5_start_over_insert_ms": start - insert,
    }


def soak(engine: Ours) -> Figures:
    """30,000 steps in 3,000 workflows: whether what was done slows down what is to be done."""
    ends = engine.soak(scaled(3000), STEPS)
    tenth = len(ends) // 10
    first, last = ends[2 * tenth] - ends[tenth], ends[-1] - ends[-1 - tenth]
    return {
        "soak_actions_per_s": (len(ends) - 1) * STEPS / (ends[-1] - ends[0]),
        "soak_last_over_second_tenth": last / first,
    }


def timers(engine: Ours) -> Figures:
    """10,000 workflows that sleep until the same second; how long after it the last of them has ended."""
    return {"timers_s": engine.timers(scaled(10_000))}


def w6(engine: Ours) -> Figures:
    """As everybody; and one workflow that gathers 1,000 steps of a second, and ordinary functions that block."""
    blocking = scaled(200)
    engine.blocks(20, 3, 0.2)
    return {
        **waits(engine),
        "w6_gather_1000_s": engine.waits_beside(scaled(1000), 1.0),
        "w6_blocks_per_s": blocking * 3 / engine.blocks(blocking, 3, 0.2),
    }


OUR_WORKLOADS: dict[str, Callable[[Ours], Figures]] = {
    **WORKLOADS,
    "w1": w1,
    "20000": very_long,
    "w4": w4,
    "w5": w5,
    "w6": w6,
    "actions": sequential,
    "soak": soak,
    "timers": timers,
}
