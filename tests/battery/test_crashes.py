"""The process dies before and after every statement and every commit of every verb: all ends as if nobody had died."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from tests.battery.ending import bring_to_an_end
from tests.battery.observation import observed, start_over
from tests.battery.verbs import SHAPES, VERBS, Verb, begin, work
from tests.engine.dying import Mortal, mortal

EVERYWHERE = os.environ.get("DJANGO_WORKFLOWS_TEST_CRASHES") == "all"
WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE|COMMIT)\b")


def lived(verb: Verb, **death: Any) -> Mortal:
    """The verb from its beginnings, and the process's death in it."""
    start_over()
    context = verb.prepare()
    with mortal(**death) as life:
        verb.act(context)
    if life.dead and verb.again is not None:
        verb.again(context)
    return life


def end_of_all(verb: Verb) -> dict[str, Any]:
    bring_to_an_end()
    seen = observed()
    return seen if verb.exact else {name: each["state"] for name, each in seen.items() if is_at_the_top(name)}


def is_at_the_top(name: str) -> bool:
    return "/" not in name and name != "effects"


@pytest.mark.timeout(1800 if EVERYWHERE else 600)
@pytest.mark.parametrize("verb", VERBS, ids=str)
def test_the_process_dies_at_every_statement_of(verb: Verb, record_property: Callable[[str, object], None]) -> None:
    life = lived(verb)
    assert life.committed, "a verb that writes nothing"
    expected, places, died = end_of_all(verb), deaths(life), 0
    for at, before in places:
        # A look-up that is made once a second may be missing, so that there is no place of that number.
        if lived(verb, at=at, before=before).dead:
            died += 1
            assert end_of_all(verb) == expected, f"{'before' if before else 'after'} {at}: {life.seen[at][:300]}"
    assert died >= 0.7 * len(places)
    record_property("deaths", died)


def deaths(life: Mortal) -> list[tuple[int, bool]]:
    """Where to die: the number of a statement, and whether before it.

    Before every one that writes, and after those that commit what they write. To die after any other, or before one
    that reads, is to die before the next one; ``DJANGO_WORKFLOWS_TEST_CRASHES=all`` does that too.
    """
    numbers = range(len(life.seen))
    if EVERYWHERE:
        return [(at, before) for at in numbers for before in (True, False)]
    writes = [at for at in numbers if WRITES.search(life.seen[at])]
    return [(at, True) for at in writes] + [(at, False) for at in writes if at in life.committed]


@pytest.mark.postgres
def test_no_statement_passes_by_unseen_on_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statements that go past Django's cursor when nobody watches go through it here."""
    import psycopg

    sent: list[object] = []
    through = psycopg.Cursor.execute

    def count(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(query)
        return through(self, query, *args, **kwargs)

    start_over()
    begin(SHAPES["sequence"])
    monkeypatch.setattr(psycopg.Cursor, "execute", count)
    with mortal() as life:
        work()
    seen = [each for each in life.seen if each != "COMMIT"]
    assert len(seen) > 5
    assert any("WITH turn AS" in each for each in seen), "among them those that write a turn at once"
    assert len(sent) == len(seen)


@pytest.mark.sqlite
def test_no_statement_passes_by_unseen_on_sqlite() -> None:
    start_over()
    begin(SHAPES["sequence"])
    connection.ensure_connection()
    sent: list[str] = []
    connection.connection.set_trace_callback(sent.append)
    with mortal() as life:
        work()
    seen = [each for each in life.seen if WRITES.search(each) and each != "COMMIT"]
    mine = [each for each in sent if WRITES.search(each) and each != "COMMIT"]
    assert len(seen) > 5
    assert {each[:25] for each in mine} == {each[:25] for each in seen}
    assert len(mine) >= len(seen), "one for many rows is seen once"
