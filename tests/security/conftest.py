"""The engine's own fixtures, without the replay of what was tampered with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

from django_workflows.engine.live import live_handlers
from tests.app import steps


@pytest.fixture(autouse=True)
def engine(transactional_db: None) -> Iterator[None]:
    steps.calls.clear()
    steps.hooks.clear()
    live_handlers.clear()
    yield
    live_handlers.clear()
    connection.close()
