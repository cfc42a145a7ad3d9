"""Whatever the handler is, and whatever ends when: replay is exact, from any point, in any process, after any crash."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st

from django_workflows.core.journal import StepKind, StepState

from .programs import handler_of, programs
from .world import World

TURNS_LIMIT = 200


@dataclass(frozen=True)
class Fate:
    """What happens outside, turn by turn: which steps end, and when the workflow is canceled."""

    draws: tuple[int, ...] = ()
    canceled_in_turn: int | None = None
    early_events: tuple[str, ...] = field(default=())

    def draw(self, turn: int, what: int, choices: int) -> int:
        index = 3 * turn + what
        return self.draws[index] % choices if index < len(self.draws) else 0


fates = st.builds(
    Fate,
    st.lists(st.integers(0, 100), max_size=60).map(tuple),
    st.none() | st.integers(0, 12),
    st.lists(st.sampled_from(["news", "reply"]), max_size=2).map(tuple),
)


def begun(program: Any, fate: Fate) -> World:
    world = World(handler_of(program))
    for name in fate.early_events:
        world.send_event(name, f"early {name}")
    return world


def happen(world: World, fate: Fate, turn: int) -> bool:
    """Let one to three of the open steps end; False when there is none that ever could."""
    if fate.canceled_in_turn == turn:
        world.cancel_requested = True
    for what in range(1 + fate.draw(turn, 0, 3)):
        still = world.open
        if not still:
            break
        record = still[fate.draw(turn, 1 + what % 2, len(still))]
        if record.kind == StepKind.EVENT and (record.due_at is None or fate.draw(turn, 2, 2)):
            world.end(record.number, f"sent in turn {turn}")
        elif record.state == StepState.QUEUED:
            world.execute(record.number)
        else:
            world.let_pass(record.number)
            # All waits that are over by now end with it, in the next turn.
            break
    return bool(world.open) or world.cancel_requested or _something_ended(world)


def _something_ended(world: World) -> bool:
    return any(
        record.delivery is None and record.state in (StepState.COMPLETED, StepState.FAILED) and record.kind != "patch"
        for record in world.journal
    )


def turns(world: World, fate: Fate) -> Iterator[int]:
    """The turns that a workflow takes, for the caller to take them."""
    for turn in range(TURNS_LIMIT):
        yield turn
        if world.ending is not None or not happen(world, fate, turn):
            return
    raise AssertionError("this does not end")


def story(world: World) -> list[Any]:
    """All that is known of a workflow in the end."""
    world.close()
    return [world.journal, repr(world.ending), world.delivered, world.canceled_at]


def uninterrupted(program: Any, fate: Fate) -> World:
    world = begun(program, fate)
    for _ in turns(world, fate):
        world.turn()
    note(f"{world.asked} -> {world.ending}")
    world.close()
    return world


@given(programs(), fates)
@settings(max_examples=300)
def test_every_prefix_of_a_journal_leads_to_where_the_handler_was(program: Any, fate: Fate) -> None:
    world = uninterrupted(program, fate)
    assert sorted(world.places) == list(range(world.delivered + 1))
    for delivered, place in world.places.items():
        for _ in range(2):
            with closing(world.replayed(delivered)) as replay:
                assert not replay.take().asks
                assert world.place(replay) == place


@given(programs(), fates)
@settings(max_examples=150)
def test_a_worker_that_dies_after_every_turn_changes_nothing(program: Any, fate: Fate) -> None:
    world = begun(program, fate)
    for _ in turns(world, fate):
        world.turn(keep=False)
    assert story(world) == story(uninterrupted(program, fate))


@given(programs(), fates, st.lists(st.sampled_from("abc"), max_size=30), st.lists(st.booleans(), max_size=30))
@settings(max_examples=150)
def test_workers_that_take_turns_by_chance_and_die_by_chance_change_nothing(
    program: Any, fate: Fate, workers: list[str], crashes: list[bool]
) -> None:
    world = begun(program, fate)
    for turn in turns(world, fate):
        world.turn(dict(enumerate(workers)).get(turn, "a"), keep=not dict(enumerate(crashes)).get(turn, False))
    assert story(world) == story(uninterrupted(program, fate))


@given(programs(), fates, st.sets(st.integers(0, 20)))
@settings(max_examples=150)
def test_turns_that_are_lost_before_they_are_written_change_nothing(program: Any, fate: Fate, lost: set[int]) -> None:
    world = begun(program, fate)
    for turn in turns(world, fate):
        if turn in lost:
            at = world.now
            first = world.begin()
            world.crash()
            world.now, world.ending = at, None
            second = world.begin()
            assert second == first
            world.crash()
            world.now, world.ending = at, None
        world.turn()
    assert story(world) == story(uninterrupted(program, fate))
