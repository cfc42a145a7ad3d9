"""The tables, and nothing but the tables: only ``store`` reads or writes them."""

from .event import Event
from .ids import uuid7
from .step import Step
from .worker import Worker
from .workflow import Workflow

__all__ = ["Event", "Step", "Worker", "Workflow", "uuid7"]
