"""A real ASGI server on the test database of the pytest process."""

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from tests.lifeline import Lifeline
from tests.waiting import wait_for

ROOT = Path(__file__).parent.parent.parent
ADDRESS = re.compile(r"running on (http://127\.0\.0\.1:\d+)")


class Server:
    """uvicorn with one process; ``url`` is its address. ``workflows`` is its ``DJANGO_WORKFLOWS``."""

    def __init__(self, log: Path, workflows: Mapping[str, Any] | None = None) -> None:
        self._log = log
        command = [sys.executable, "-m", "uvicorn", "tests.asgi:application", "--port", "0", "--lifespan", "off"]
        self._lifeline = Lifeline(
            [*command, "--timeout-graceful-shutdown", "1"],
            log=log,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "tests.settings",
                "DJANGO_WORKFLOWS_TEST_DB_NAME": str(connection.settings_dict["NAME"]),
                "DJANGO_WORKFLOWS_TEST_SETTINGS": json.dumps(workflows or settings.DJANGO_WORKFLOWS),
                "PYTHONUNBUFFERED": "1",
            },
            cwd=ROOT,
            grace=5,
        )
        try:
            wait_for(lambda: self._lifeline.returncode is not None or ADDRESS.search(self.log))
            self.url = ADDRESS.search(self.log)[1]  # type: ignore[index]
        except (AssertionError, TypeError):
            self.close()
            raise AssertionError(f"the server does not start\n{self.log}") from None

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def close(self) -> None:
        self._lifeline.cut()
