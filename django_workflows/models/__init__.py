"""The tables, and nothing but the tables: only ``store`` reads or writes them."""

from .event import Event
from .ids import first_uuid7, uuid7
from .kept_note import KeptNote
from .pool import Pool, PoolStart
from .step import Step
from .worker import Worker
from .workflow import Workflow

__all__ = ["Event", "KeptNote", "Pool", "PoolStart", "Step", "Worker", "Workflow", "first_uuid7", "uuid7"]
