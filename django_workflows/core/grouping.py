"""Which steps share a row of a timeline: many siblings of one kind and name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .rows import Line, Nested
from .traces import Told

#: So many siblings of one name share a row.
GROUP_SIZE = 10


def lines(steps: Sequence[Told], size: int | None, path: tuple[int, ...] = ()) -> Iterator[Line]:
    """What each row is made of, in order of its first step; the steps of a child come after it.

    Siblings of one kind and name share a row that were asked for in one turn, or one after the other, if there are
    ``size`` of them at the least; with ``None`` each step has its own.
    """
    runs, sizes = ([], []) if size is None or len(steps) < size else _runs(steps)
    groups: dict[int, list[Told]] = {}
    for index, step in enumerate(steps):
        if size is None or not runs or sizes[runs[index]] < size:
            yield from _alone(step, size, path)
        elif (group := groups.get(runs[index])) is not None:
            group.append(step)
        else:
            # It is filled while the steps that follow are gone through.
            yield Nested((*path, step.number), groups.setdefault(runs[index], [step]))


def _alone(step: Told, size: int | None, path: tuple[int, ...]) -> Iterator[Line]:
    here = (*path, step.number) if path or step.steps else ()
    yield Nested(here, [step]) if here else step
    if step.steps:
        yield from lines(step.steps, size, here)


def _runs(steps: Sequence[Told]) -> tuple[list[int], list[int]]:
    """For each step the number of its run of siblings, and how long each run is.

    In numbers, since a list for each of ten thousand steps takes longer than all the rest.
    """
    runs: list[int] = []
    sizes: list[int] = []
    latest: dict[tuple[str, str], tuple[Told, int]] = {}
    for step in steps:
        key = (step.kind, step.name)
        before = latest.get(key)
        if before is not None and _siblings(before[0], step):
            run = before[1]
        else:
            run = len(sizes)
            sizes.append(0)
        sizes[run] += 1
        runs.append(run)
        latest[key] = (step, run)
    return runs, sizes


def _siblings(one: Told, other: Told) -> bool:
    # The steps that one turn asks for are written with one instant.
    return other.number == one.number + 1 or other.created_at == one.created_at
