"""The kit must leave nothing behind, whatever a test did with it."""

from collections.abc import Iterator

import pytest

from django_workflows.core.registry import registry
from django_workflows.engine import dispatch, finish, invoke
from django_workflows.engine.live import live_handlers
from django_workflows.store import database
from tests.testing import shop

pytest_plugins = ["pytester"]


def state() -> list[object]:
    return [
        database.frozen_at,
        database.clock_offset,
        dispatch._dispatcher,
        invoke.stand_in,
        finish.uniform,
        live_handlers.none_kept,
        len(live_handlers),
        *registry,
    ]


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    live_handlers.clear()
    before = state()
    shop.turns.clear()
    yield
    assert state() == before
