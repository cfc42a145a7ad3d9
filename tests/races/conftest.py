"""Races and random histories run on a real database, with the engine's own fixtures."""

from tests.engine.conftest import elsewhere, engine  # noqa: F401 - fixtures of these tests too
