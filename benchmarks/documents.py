"""Writes the figures of the documentation anew from the results: ``python -m benchmarks.documents``.

In ``docs/explanation/performance.md`` the lines between ``<!-- NAME -->`` and ``<!-- end -->`` are made from the files
of ``benchmarks/results``, and so is the chart beside it. A part whose results are not there stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from . import scale
from .chart import chart
from .targets import TARGETS, Medians, Target

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "explanation" / "performance.md"
CHART = PAGE.with_suffix(".svg")

_ENGINES = {
    "ours": "django_workflows",
    "absurd": "Absurd",
    "dbos": "DBOS",
    "dbos_queue": "DBOS by queue",
    "procrastinate": "procrastinate",
    "chain": "django-q2",
    "django_tasks": "django-tasks-db",
    "ours_sqlite": "on SQLite",
    "dbos_sqlite": "DBOS on SQLite",
}
_FIGURES = {
    "w1_actions_per_s": "W1: 200 workflows of 10 actions, steps/s",
    "w1_actions_of_floor": "of the floor",
    "floor_per_s": "the floor beside it, commits/s",
    "w1_mutations_per_s": "W1 with mutations that insert a row each, steps/s",
    "w1_inline_per_s": "W1 with `inline=True` mutations that insert a row each, steps/s",
    "w1_orm_inserts_per_s": "the ORM alone beside it: rows/s of two processes, ten to a commit",
    "w1_inline_nothing_per_s": "W1 with `inline=True` mutations that do nothing, steps/s",
    "w1_inline_nothing_of_floor": "of the floor",
    "w1_inline_nothing_many_per_s": "the same with 2,000 workflows",
    "w1_inline_nothing_many_of_floor": "of the floor",
    "w2_p50_ms": "W2: start to end of one step, idle, p50 ms",
    "w2_p95_ms": "the same, p95 ms",
    "w3_first_ms": "W3: 5,000 steps in a row, ms each, first tenth",
    "w3_last_ms": "last tenth",
    "w3_naps_first_ms": "W3, a sleep of 10 ms every 10 steps: first tenth",
    "w3_naps_last_ms": "last tenth",
    "w3_20000_mean_ms": "20,000 steps in a row, ms each",
    "w3_replay_per_s": "replay of a stored journal, steps/s",
    "w4_parallel_200_s": "W4: 200 actions side by side, s",
    "w4_parallel_2000_s": "2,000 actions side by side, s",
    "w4_children_200_s": "200 children, s",
    "w4_floor_per_s": "the floor beside it, commits/s",
    "w5_starts_per_s": "W5: starts one by one, per s",
    "w5_batch_per_s": "starts in one call, per s",
    "w5_start_over_insert_ms": "`start()` over an INSERT by the ORM, p50 ms",
    "tasks_per_s": "Django's Tasks: 2,000 tasks enqueued and run, per s",
    "tasks_enqueues_per_s": "tasks enqueued one by one, per s",
    "tasks_enqueues_together_per_s": "in one transaction, per s",
    "tasks_enqueue_batch_per_s": "in one call, per s",
}
#: Waits of fewer sessions than this on average are left out.
_SELDOM = 0.05
_MEMORY = {"mb_after_each_1000": "MB of a worker", "own_mb_after_each_1000": "of these its own"}


def main() -> None:
    PAGE.write_text(rewritten(PAGE.read_text()))
    results = read("peers")
    if results:
        CHART.write_text(chart(results["medians"]))


def rewritten(page: str) -> str:
    """The page with every part made anew."""
    for name, make in _PARTS.items():
        page = _with_part(page, name, make())
    return page


def _with_part(page: str, name: str, made: str) -> str:
    if not made:
        return page
    before, mark, rest = page.partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition("<!-- end -->")
    assert end, f"{PAGE} has no part {name}"
    return before + mark + made + end + after


def read(name: str) -> dict[str, Any]:
    """The results of that name; nothing if there are none."""
    path = RESULTS / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def _rows(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = [list(head), *map(list, rows)]
    cells.insert(1, ["---"] * len(cells[0]))
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _workloads() -> str:
    medians: Medians = read("peers").get("medians", {})
    engines = [engine for engine in _ENGINES if engine in medians]
    keys = [key for key in _FIGURES if any(key in medians[engine] for engine in engines)]
    rows = ([_FIGURES[key], *(_number(medians[engine].get(key)) for engine in engines)] for key in keys)
    return _rows(["", *(_ENGINES[engine] for engine in engines)], rows) if engines else ""


def _targets() -> str:
    return _verdicts(TARGETS, read("peers").get("medians", {}))


def _scale() -> str:
    return _verdicts(scale.TARGETS, read("scale").get("medians", {}))


def _verdicts(targets: Iterable[Target], medians: Medians) -> str:
    return _rows(["", "wanted", "measured", "reached"], (target.row(medians) for target in targets)) if medians else ""


def _sizes() -> str:
    found = read("scale").get("medians", {}).get("sizes", {})
    rows = [(_size_name(key), _number(value)) for key, value in found.items() if not key.endswith("s") or "_" in key]
    return _rows(["", "bytes"], rows) if rows else ""


def _size_name(key: str) -> str:
    kind, _, rest = key.partition("_")
    if rest.startswith("index_"):
        return f"index `{rest.removeprefix('index_')}`"
    return f"**a {kind}, all in all**" if rest == "bytes" else f"a {kind}'s row"


def _clusters() -> str:
    medians: Medians = read("clusters").get("medians", {})
    sizes = [name for name in medians if name.startswith("clusters_")]
    keys = list(dict.fromkeys(key for name in sizes for key in medians[name]))
    told = [key for key in keys if max(medians[name].get(key, 0.0) for name in sizes) >= _SELDOM]
    rows = ([_wait(key), *(_number(medians[name].get(key)) for name in sizes)] for key in told)
    return _rows(["", *map(_counted, sizes)], rows) if sizes else ""


def _counted(name: str) -> str:
    """``clusters_2`` in words."""
    things, _, count = name.partition("_")
    return f"{count} {things if count != '1' else things.removesuffix('s')}"


def _wait(key: str) -> str:
    names = {"floor_per_s": "the floor, as many clients as workers, commits/s", "actions_per_s": "steps/s"}
    return (
        names.get(key) or f"sessions in `{key[3:]}`" if key.startswith("in_") else names.get(key, key.replace("_", " "))
    )


def _notify() -> str:
    medians: Medians = read("clusters").get("medians", {})
    clients = [name for name in medians if name.startswith("clients_")]
    ways = {
        "without": "no NOTIFY",
        "with": "NOTIFY in the same transaction",
        "after": "NOTIFY in one of its own after it",
    }
    rows = (
        [said, *(_number(medians[name].get(f"commits_{way}_notify_per_s")) for name in clients)]
        for way, said in ways.items()
    )
    return _rows(["commits/s", *map(_counted, clients)], rows) if clients else ""


def _memory() -> str:
    found = read("memory")
    if not found:
        return ""
    samples = found["mb_after_each_1000"]
    chosen = sorted({0, 1, *(round(quarter * (len(samples) - 1) / 4) for quarter in range(1, 5))})
    rows = [
        [said, *(_number(sum(found[key][number]) / len(found[key][number])) for number in chosen)]
        for key, said in _MEMORY.items()
    ]
    return _rows(["workflows", *(f"{1000 * number:,}" for number in chosen)], rows)


_PARTS: dict[str, Callable[[], str]] = {
    "workloads": _workloads,
    "targets": _targets,
    "scale": _scale,
    "sizes": _sizes,
    "memory": _memory,
    "clusters": _clusters,
    "notify": _notify,
}


if __name__ == "__main__":
    main()
