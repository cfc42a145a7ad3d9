"""What was to be reached, and whether a run reached it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

#: Of each engine, its figures.
Medians = dict[str, dict[str, float]]
_PEERS = ("absurd", "dbos", "dbos_queue", "procrastinate", "chain")


@dataclass(frozen=True)
class Target:
    """``measure`` takes the value out of a run, and raises ``KeyError`` or ``ValueError`` where it has none."""

    what: str
    measure: Callable[[Medians], float]
    limit: float
    at_least: bool = False

    def row(self, medians: Medians) -> tuple[str, str, str, str]:
        """What it is, the target, the value, and whether it was reached; dashes where it was not measured."""
        sign = ">=" if self.at_least else "<="
        try:
            value = self.measure(medians)
        except (KeyError, ValueError):
            return self.what, f"{sign} {self.limit:,g}", "-", "-"
        reached = value >= self.limit if self.at_least else value <= self.limit
        return self.what, f"{sign} {self.limit:,g}", f"{value:,.2f}", "yes" if reached else "no"


def figure(key: str, engine: str = "ours") -> Callable[[Medians], float]:
    return lambda medians: medians[engine][key]


def ratio(key: str, other: str, engine: str = "ours") -> Callable[[Medians], float]:
    return lambda medians: medians[engine][key] / medians[other][key]


def of_the_orm(key: str) -> Callable[[Medians], float]:
    """Beside as many processes that do nothing but insert rows through the ORM."""
    return lambda medians: medians["ours"][key] / medians["ours"]["w1_orm_inserts_per_s"]


def over_the_best(key: str) -> Callable[[Medians], float]:
    return lambda medians: medians["ours"][key] / min(medians[peer][key] for peer in _PEERS if peer in medians)


TARGETS = [
    Target("W6 steps that wait, times Absurd", ratio("w6_waits_per_s", "absurd"), 5, at_least=True),
    Target("W6 steps that wait, times DBOS", ratio("w6_waits_per_s", "dbos"), 5, at_least=True),
    Target("W6 1,000 of a second side by side, s", figure("w6_gather_1000_s"), 4),
    Target("W1 actions, times Absurd", ratio("w1_actions_per_s", "absurd"), 2, at_least=True),
    Target("W1 actions, times DBOS", ratio("w1_actions_per_s", "dbos"), 4, at_least=True),
    Target("W1 actions, of the floor", figure("w1_actions_of_floor"), 0.5, at_least=True),
    Target("W1 mutations, of the floor", figure("w1_mutations_of_floor"), 0.5, at_least=True),
    Target("W1 inline mutations with an insert, of the floor", figure("w1_inline_of_floor"), 4, at_least=True),
    Target("W1 inline mutations that do nothing, of the floor", figure("w1_inline_nothing_of_floor"), 4, at_least=True),
    Target(
        "W1 with 2,000 workflows of these, of the floor", figure("w1_inline_nothing_many_of_floor"), 4, at_least=True
    ),
    Target("W1 inline mutations with an insert, of the ORM alone", of_the_orm("w1_inline_per_s"), 0.5, at_least=True),
    Target("W2 p50, ms", figure("w2_p50_ms"), 6),
    Target("W2 p95, ms", figure("w2_p95_ms"), 12),
    Target("W2 p50, of the quickest other", over_the_best("w2_p50_ms"), 1),
    Target("W2 p50 on SQLite, ms", figure("w2_p50_ms", "ours_sqlite"), 15),
    Target("start() over an ORM INSERT, p50, ms", figure("w5_start_over_insert_ms"), 1),
    Target("W3 5,000 steps, last tenth of the first", figure("w3_last_over_first"), 1.1),
    Target("W3 with sleeps, last tenth of the first", figure("w3_naps_last_over_first"), 1.3),
    Target("W3 20,000 steps, ms each", figure("w3_20000_mean_ms"), 5),
    Target("Replay, steps/s", figure("w3_replay_per_s"), 30_000, at_least=True),
    Target("W4 200 actions, s", figure("w4_parallel_200_s"), 0.25),
    Target("W4 2,000 actions, s", figure("w4_parallel_2000_s"), 2.5),
    Target("W4 200 children, s", figure("w4_children_200_s"), 0.6),
    Target("W5 starts one by one, per s", figure("w5_starts_per_s"), 2000, at_least=True),
    Target("W5 start_many, per s", figure("w5_batch_per_s"), 15_000, at_least=True),
    Target("Tasks enqueued in one call, per s", figure("tasks_enqueue_batch_per_s"), 5000, at_least=True),
    Target("Tasks, times django-tasks-db, the other", ratio("tasks_per_s", "django_tasks"), 5, at_least=True),
    Target(
        "W1 on SQLite, times DBOS on SQLite",
        ratio("w1_actions_per_s", "dbos_sqlite", "ours_sqlite"),
        10,
        at_least=True,
    ),
]


def report(targets: Iterable[Target], medians: Medians) -> str:
    """A table of targets, values and verdicts."""
    rows = [("", "target", "measured", "reached"), *(target.row(medians) for target in targets)]
    width = max(len(row[0]) for row in rows) + 2
    return "\n".join(
        f"{what.ljust(width)}{limit:>12}{value:>14}{reached:>10}".rstrip() for what, limit, value, reached in rows
    )
