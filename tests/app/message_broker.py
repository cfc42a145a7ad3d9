"""A django-q2 broker that is none of its ORM ones: messages come once, in order, and not later than they are sent."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from django_q.brokers import Broker
from django_q.conf import Conf


class FolderBroker(Broker):
    """Each message is a file, which whoever renames it first has taken. ``Q_CLUSTER["folder"]`` says where."""

    @property
    def _folder(self) -> Path:
        folder = Path(Conf.conf["folder"]) / (self.list_key or Conf.CLUSTER_NAME)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def enqueue(self, task: Any) -> str:
        name = f"{time.time_ns()}-{os.urandom(4).hex()}"
        path = self._folder / f"{name}.new"
        path.write_text(task)
        path.rename(self._folder / f"{name}.message")
        return name

    def dequeue(self) -> list[tuple[Any, str]] | None:
        for path in sorted(self._folder.glob("*.message")):
            try:
                taken = path.rename(path.with_suffix(".taken"))
            except FileNotFoundError:
                continue
            return [(None, taken.read_text())]
        time.sleep(0.02)
        return None

    def queue_size(self) -> int:
        return len(list(self._folder.glob("*.message")))

    def ping(self) -> bool:
        return True

    def info(self) -> str:
        return "folder"
