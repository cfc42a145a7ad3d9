"""The battery's tests have the engine's database and memories; see ``tests/engine/conftest.py``."""

from tests.engine.conftest import engine, hurry, often

__all__ = ["engine", "hurry", "often"]
