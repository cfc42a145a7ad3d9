"""What a handler must not call, by dotted name, and what to write instead."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from .names import MISSING, Ref, is_a, is_named, path_of
from .projects import is_project_module


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to be different on replay: what the code does, and what to write instead. Several share an ``id``.

    ``unless`` says when a line is right all the same.
    """

    id: str
    what: str
    instead: str
    unless: str = "it is deterministic all the same"


_IN_ACTION = "Move it into a function, and await step.run_action(fn, ...): its result is recorded."

CLOCK = Rule("W010", "reads the clock", "Use step.now(), which is the same on every replay.")
SLEEP = Rule("W010", "blocks the worker", "Use await step.sleep(seconds), which holds no worker and survives restarts.")
RANDOM = Rule("W011", "draws a random number", "Use step.random, for example step.random.choice(items).")
RANDOM_ID = Rule("W011", "makes a random id", "Use step.uuid4(), which is the same on every replay.")
SECRET = Rule("W011", "draws secret randomness", _IN_ACTION)
HASH = Rule(
    "W011", "takes a number that differs between processes", "Compare or order by the value itself, or use hashlib."
)
NETWORK = Rule("W012", "uses the network", _IN_ACTION)
FILES = Rule("W012", "touches files", _IN_ACTION)
PROCESS = Rule("W012", "starts or ends a process", _IN_ACTION)
DATABASE = Rule(
    "W013",
    "uses the database",
    "Move it into a function, and await step.run_query(fn, ...) to read or step.run_mutation(fn, ...) to write.",
)
INSTANCE = Rule(
    "W013",
    "reads a model instance, of which a workflow function has a reference only",
    "Only its primary key (.pk) is there. Read the rest in a function run by step.run_query, and return it from there.",
)
THREAD = Rule(
    "W014",
    "leaves the workflow's event loop",
    "A handler has one thread. Move it into a function, sync or async, and await step.run_action(fn, ...).",
)
SET_ORDER = Rule(
    "W015", "iterates a set, whose order differs between processes", "Iterate sorted(...), or use a list or a dict."
)
STATE = Rule(
    "W016",
    "changes state outside of the handler, which replay does again and other processes do not see",
    "Keep it in local variables, or in the database, through step.run_mutation.",
)
STATE_READ = Rule(
    "W016",
    "reads a module's variable that functions change, so that it differs between processes",
    "Pass it as an argument when the workflow is started, or read it in a function run by step.run_action.",
)
ENVIRONMENT = Rule(
    "W017",
    "reads its process's environment, which differs between machines and deploys",
    "Pass it as an argument when the workflow is started, or read it in a function run by step.run_action.",
)
ENGINE = Rule(
    "W018",
    "calls the workflow engine past the journal",
    "Run a child with await step.run_workflow(definition, ...); anything else in a function run by step.run_mutation.",
)
NEVER_AWAITED = Rule(
    "W044",
    "asks for what it never awaits, so that it is canceled when the workflow ends, and its failure is seen by nobody",
    "Write await before the call, or keep what it returns and await it later, with asyncio.gather for example.",
    unless="that is meant",
)
FUTURE = Rule(
    "W015",
    "makes a future that sets order by its address",
    "Use asyncio.get_running_loop().create_future(), which sets order the same on every replay.",
)
TASK = Rule(
    "W018",
    "enqueues a task past the journal",
    "Run it as a step: await step.run_action(task, ...); or enqueue it in a function run by step.run_mutation.",
)
QUEUE = Rule(
    "W018", "uses django-q2 past the journal", "Move it into a function, and await step.run_mutation(fn, ...)."
)

#: Rule by dotted name, of functions and classes that are called. "module: name name", None for what is harmless.
_EXACT: tuple[tuple[Rule | None, str], ...] = (
    (CLOCK, "datetime.datetime: now utcnow today"),
    (CLOCK, "datetime.date: today"),
    (CLOCK, "time: time time_ns monotonic monotonic_ns perf_counter perf_counter_ns process_time process_time_ns"),
    (CLOCK, "time: localtime gmtime ctime strftime"),
    (CLOCK, "django.utils.timezone: now localtime localdate"),
    (CLOCK, "pendulum: now today"),
    (CLOCK, "arrow: now utcnow"),
    (SLEEP, "time: sleep"),
    (RANDOM_ID, "uuid: uuid1 uuid4 uuid6 uuid7 getnode"),
    (SECRET, "os: urandom getrandom"),
    (SECRET, "django.utils.crypto: get_random_string"),
    (None, "secrets: compare_digest"),
    (HASH, "builtins: hash id"),
    (None, "urllib3.util: Retry Timeout Url parse_url"),
    (None, "httpx: URL QueryParams Headers Cookies Timeout Limits"),
    (None, "aiohttp: ClientTimeout BasicAuth FormData"),
    (None, "socket: inet_aton inet_ntoa inet_pton inet_ntop htonl htons ntohl ntohs"),
    (NETWORK, "asyncio: open_connection start_server open_unix_connection"),
    (NETWORK, "django.core.mail: send_mail send_mass_mail mail_admins mail_managers get_connection"),
    (FILES, "builtins: open input"),
    (FILES, "os: open listdir scandir walk stat remove unlink rename replace mkdir makedirs rmdir removedirs"),
    (FILES, "os.path: exists isfile isdir getsize getmtime"),
    (FILES, "glob: glob iglob"),
    (FILES, "pathlib.Path: open read_text read_bytes write_text write_bytes exists is_file is_dir iterdir glob rglob"),
    (FILES, "pathlib.Path: stat unlink mkdir rmdir rename replace touch symlink_to"),
    (PROCESS, "asyncio: create_subprocess_exec create_subprocess_shell"),
    (PROCESS, "os: system popen fork kill execv execve _exit"),
    (PROCESS, "sys: exit"),
    (PROCESS, "django.core.management: call_command"),
    (DATABASE, "django.shortcuts: get_object_or_404 get_list_or_404 aget_object_or_404 aget_list_or_404"),
    (DATABASE, "django.contrib.auth: authenticate aauthenticate get_user aget_user"),
    (THREAD, "asgiref.sync: sync_to_async async_to_sync SyncToAsync AsyncToSync"),
    (THREAD, "asyncio: to_thread run"),
    (THREAD, "asyncio.Runner: run"),
    (FUTURE, "asyncio: Future"),
    (ENVIRONMENT, "os: getenv getpid getppid getcwd getlogin uname cpu_count"),
    (ENVIRONMENT, "getpass: getuser"),
    (ENVIRONMENT, "platform: node"),
    (QUEUE, "django_q.tasks: async_task async_iter async_chain schedule result fetch"),
)

#: Rule by package or module, of whatever is called in it.
_PREFIXES: Mapping[str, Rule] = {
    "random": RANDOM,
    "numpy.random": RANDOM,
    "random.SystemRandom": SECRET,
    "secrets": SECRET,
    **dict.fromkeys(("requests", "httpx", "aiohttp", "urllib3", "urllib.request", "http.client", "socket"), NETWORK),
    **dict.fromkeys(("smtplib", "ftplib", "imaplib", "poplib", "xmlrpc.client", "boto3", "redis", "paramiko"), NETWORK),
    "django.core.cache": NETWORK,
    "shutil": FILES,
    "tempfile": FILES,
    "subprocess": PROCESS,
    "multiprocessing": PROCESS,
    "django.db.transaction": DATABASE,
    "django.db.connection": DATABASE,
    "django.db.connections[]": DATABASE,
    **dict.fromkeys(("psycopg", "psycopg2", "sqlite3", "pymongo"), DATABASE),
    "threading": THREAD,
    "concurrent.futures": THREAD,
}

#: With that many arguments these are given what they would otherwise look up, or are made ready without doing anything.
_ENOUGH: Mapping[str, int] = {
    "time.localtime": 1,
    "time.gmtime": 1,
    "time.ctime": 1,
    "time.strftime": 2,
    "django.utils.timezone.localtime": 1,
    "django.utils.timezone.localdate": 1,
    "random.Random": 1,
}

#: Rule by dotted name, of objects that are not called but looked into.
_REFERENCES: Mapping[str, Rule] = {"os.environ": ENVIRONMENT, "sys.argv": ENVIRONMENT}


class Rules:
    """The table, under the names by which this process's objects go as well: ``os.urandom`` is ``posix.urandom``."""

    def __init__(self) -> None:
        self._exact: dict[str, tuple[Rule | None, int]] = {
            "random.Random": (RANDOM, _ENOUGH["random.Random"]),
        }
        for rule, line in _EXACT:
            module, names = line.split(": ")
            for name in names.split():
                path = f"{module}.{name}"
                self._exact |= dict.fromkeys(_aliases(path), (rule, _ENOUGH.get(path, sys.maxsize)))
        self._prefixes = {alias: rule for path, rule in _PREFIXES.items() for alias in _aliases(path)}

    def of_call(self, ref: Ref, arguments: int) -> Rule | None:
        """What is wrong with calling that, with so many arguments."""
        if is_a(ref.value, type) and issubclass(ref.value, BaseException):
            return None
        for path in ref.paths:
            if path in self._exact:
                rule, enough = self._exact[path]
                return None if arguments >= enough else rule
        return next((self._prefixes[prefix] for prefix in self._known_prefixes(ref)), None)

    def of_reference(self, ref: Ref) -> Rule | None:
        """What is wrong with looking into that."""
        return next((_REFERENCES[path] for path in ref.paths if path in _REFERENCES), None)

    def _known_prefixes(self, ref: Ref) -> Iterator[str]:
        for path in ref.paths:
            parts = path.split(".")
            if is_project_module(parts[0]):
                continue  # the project's own package "requests", say
            prefixes = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
            yield from (prefix for prefix in prefixes if prefix in self._prefixes)


def _aliases(path: str) -> set[str]:
    home, _, name = path.rpartition(".")
    value, owner = _loaded(path), _loaded(home)
    aliases = {path, path_of(value)} if is_named(value) else {path}
    # Python 3.13 keeps pathlib.Path in pathlib._local, and some of its methods in a base class.
    return aliases | {f"{path_of(owner)}.{name}"} if is_a(owner, type) else aliases


def _loaded(path: str) -> Any:
    """The object of a dotted name, as far as its modules are imported; ``MISSING`` otherwise."""
    parts = path.split(".")
    for count in range(len(parts), 0, -1):
        value = sys.modules.get(".".join(parts[:count]), MISSING)
        if value is not MISSING:
            for name in parts[count:]:
                value = vars(value).get(name, MISSING) if is_a(value, (type, ModuleType)) else MISSING
            return value
    return MISSING
