"""A PgBouncer of our own in front of a PostgreSQL server, for tests of what a pooler does to sessions."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from tests.lifeline import Lifeline
from tests.postgres import NOBODY, connection_settings
from tests.waiting import wait_for

PORT = 6432
#: Debian has it where only administrators look.
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])


def find_pgbouncer() -> str | None:
    return shutil.which("pgbouncer", path=_PATH)


class PgBouncer:
    """In transaction mode: each transaction may be on another of its few sessions. Ends with ``close()``."""

    def __init__(self, url: str, *, size: int = 3) -> None:
        server = connection_settings(url)
        self._name = server["NAME"]
        # It refuses to be root.
        uid = NOBODY if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="pgb-", dir="/tmp"))
        where = {"host": server["HOST"], "port": server["PORT"], "password": server["PASSWORD"]}
        target = " ".join(f"{key}={value}" for key, value in where.items() if value)
        options = {
            "pool_mode": "transaction",
            "default_pool_size": size,
            "max_client_conn": 200,
            "auth_type": "any",
            "unix_socket_dir": self._folder,
            "listen_port": PORT,
            # So that a test's database can be dropped.
            "server_idle_timeout": 1,
            "ignore_startup_parameters": "extra_float_digits",
        }
        lines = ["[databases]", f"* = {target} user={server['USER'] or 'postgres'}", "[pgbouncer]"]
        lines += [f"{key} = {value}" for key, value in options.items()]
        (self._folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n", encoding="ascii")
        if uid is not None:
            os.chown(self._folder, uid, uid)
        self._lifeline = Lifeline(
            [find_pgbouncer(), str(self._folder / "pgbouncer.ini")],
            log=self._folder / "pgbouncer.log",
            cwd=self._folder,
            uid=uid,
            discard=self._folder,
        )
        wait_for((self._folder / f".s.PGSQL.{PORT}").exists, message="PgBouncer does not listen")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        host = quote(str(self._folder), safe="")
        return f"postgresql://postgres@/{self._name}?host={host}&port={PORT}"

    @property
    def settings(self) -> dict[str, Any]:
        """``HOST`` and ``PORT`` of Django's ``DATABASES``."""
        return {"HOST": str(self._folder), "PORT": str(PORT)}

    @property
    def log(self) -> str:
        return (self._folder / "pgbouncer.log").read_text(errors="replace")

    def close(self) -> None:
        self._lifeline.cut()
