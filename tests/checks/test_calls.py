"""Clock, randomness, network, files, threads, environment: what a handler must not call, however it is spelled."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.checks import WARNING

from tests.checks.conftest import Findings, Modules, line_of

Agrees = Callable[[str], None]

CALLS = [
    ("from datetime import datetime", "datetime.now()", "W010"),
    ("from datetime import datetime, UTC", "datetime.now(UTC)", "W010"),
    ("import datetime", "datetime.datetime.utcnow()", "W010"),
    ("from datetime import datetime as dt", "dt.today()", "W010"),
    ("import datetime as d", "d.date.today()", "W010"),
    ("import time", "time.time()", "W010"),
    ("import time as clock", "clock.monotonic()", "W010"),
    ("from time import time as seconds", "seconds()", "W010"),
    ("from time import sleep", "sleep(1)", "W010"),
    ("import time", "time.strftime('%Y')", "W010"),
    ("from django.utils import timezone", "timezone.now()", "W010"),
    ("from django.utils import timezone", "timezone.localdate()", "W010"),
    ("from django.utils.timezone import now", "now()", "W010"),
    ("import random as r", "r.random()", "W011"),
    ("from random import randint, choice", "randint(1, 6)", "W011"),
    ("from random import random", "random()", "W011"),
    ("import random", "random.Random()", "W011"),
    ("import uuid", "uuid.uuid1()", "W011"),
    ("from uuid import uuid4 as new_id", "new_id()", "W011"),
    ("import secrets", "secrets.token_hex(8)", "W011"),
    ("from secrets import choice", "choice([1, 2])", "W011"),
    ("import os", "os.urandom(4)", "W011"),
    ("from os import urandom", "urandom(4)", "W011"),
    ("", "hash('x')", "W011"),
    ("from django.utils.crypto import get_random_string", "get_random_string(5)", "W011"),
    ("import httpx", "httpx.get('http://x')", "W012"),
    ("import httpx", "httpx.AsyncClient()", "W012"),
    ("from urllib.request import urlopen", "urlopen('http://x')", "W012"),
    ("import urllib.request", "urllib.request.urlopen('http://x')", "W012"),
    ("import socket", "socket.create_connection(('x', 1))", "W012"),
    ("from socket import gethostname", "gethostname()", "W012"),
    ("import smtplib", "smtplib.SMTP('x')", "W012"),
    ("from django.core.mail import send_mail", "send_mail('a', 'b', 'c', [])", "W012"),
    ("from django.core.cache import cache", "cache.get('x')", "W012"),
    ("import asyncio", "await asyncio.open_connection('x', 1)", "W012"),
    ("", "open('x')", "W012"),
    ("from pathlib import Path", "Path('x').read_text()", "W012"),
    ("from pathlib import Path", "(Path('x') / 'y').write_text('z')", "W012"),
    ("from pathlib import Path; HOME = Path('x')", "(HOME / 'y').exists()", "W012"),
    ("import shutil", "shutil.rmtree('x')", "W012"),
    ("import os.path", "os.path.exists('x')", "W012"),
    ("import subprocess as sp", "sp.run(['ls'])", "W012"),
    ("import asyncio", "await asyncio.create_subprocess_exec('ls')", "W012"),
    ("from django.core.management import call_command", "call_command('check')", "W012"),
    ("from asgiref.sync import sync_to_async", "await sync_to_async(len)('x')", "W014"),
    ("import asyncio", "await asyncio.to_thread(len, 'x')", "W014"),
    ("import asyncio", "asyncio.Future()", "W015"),
    ("from asyncio import to_thread", "await to_thread(len, 'x')", "W014"),
    ("import threading", "threading.Thread(target=len).start()", "W014"),
    ("from concurrent.futures import ThreadPoolExecutor", "ThreadPoolExecutor()", "W014"),
    ("import asyncio", "await asyncio.get_running_loop().run_in_executor(None, len, 'x')", "W014"),
    ("import os", "os.environ['HOME']", "W017"),
    ("import os", "os.environ.get('HOME')", "W017"),
    ("from os import environ as env", "'HOME' in env", "W017"),
    ("import os", "os.getenv('HOME')", "W017"),
    ("import sys", "sys.argv[1]", "W017"),
    ("from django_q.tasks import async_task", "async_task('len', 'x')", "W018"),
]


@pytest.mark.parametrize(("imports", "call", "identity"), CALLS, ids=[call for _, call, _ in CALLS])
def test_call_is_seen(agrees: Agrees, imports: str, call: str, identity: str) -> None:
    agrees(f"{imports}\n\nasync def handler(step):\n    {call}  #! {identity}\n")


@pytest.mark.parametrize(("imports", "call", "identity"), CALLS, ids=[call for _, call, _ in CALLS])
def test_call_is_seen_where_it_is_imported_in_the_handler(
    agrees: Agrees, imports: str, call: str, identity: str
) -> None:
    agrees(f"async def handler(step):\n    {imports or 'pass'}\n    return {call}  #! {identity}\n")


HARMLESS = [
    ("import random", "step.random.random()"),
    ("import random", "random.Random(4).random()"),
    ("import random", "isinstance(step.random, random.Random)"),
    ("from datetime import datetime", "datetime.fromisoformat('2026-01-01')"),
    ("from datetime import datetime", "datetime(2026, 1, 1)"),
    ("from datetime import datetime, timedelta", "step.now() + timedelta(days=1)"),
    ("from django.utils import timezone", "timezone.localtime(step.now())"),
    ("import time", "time.strftime('%Y', (2026, 1, 1, 0, 0, 0, 0, 0, 0))"),
    ("import uuid", "uuid.uuid5(uuid.NAMESPACE_URL, 'x')"),
    ("import uuid", "uuid.UUID('1' * 32)"),
    ("import secrets", "secrets.compare_digest('a', 'b')"),
    ("import urllib.parse", "urllib.parse.urlencode({'a': 1})"),
    ("import httpx", "httpx.URL('http://x')"),
    ("import httpx", "httpx.ConnectError('x')"),
    ("import os", "os.path.join('a', 'b')"),
    ("from pathlib import Path", "Path('x') / 'y'"),
    ("import asyncio", "await asyncio.sleep(1)"),
    ("import asyncio", "await asyncio.gather(step.sleep(1))"),
    ("import httpx", "await step.run_action(httpx.get, 'http://x')"),
    ("from django.utils import timezone", "await step.run_query(timezone.now)"),
    ("import uuid", "await step.with_options(retry=True).run_action(uuid.uuid4)"),
    ("import json", "json.loads('1')"),
]


@pytest.mark.parametrize(("imports", "call"), HARMLESS, ids=[call for _, call in HARMLESS])
def test_harmless_call_is_not_warned_of(agrees: Agrees, imports: str, call: str) -> None:
    agrees(f"{imports}\n\nasync def handler(step):\n    {call}\n")


def test_names_that_only_look_alike_are_not_warned_of(agrees: Agrees) -> None:
    agrees(
        """
        class requests:
            @staticmethod
            def get(x): ...

        def open(x): ...

        class Clock:
            def now(self): ...

        datetime = Clock()

        async def handler(step, time, uuid4):
            random = step.random
            random.random()
            time.time()
            uuid4()
            requests.get(1)
            open(1)
            datetime.now()
            for secrets in [1]:
                secrets.token_hex()
            with step as socket:
                socket.socket()
            try:
                pass
            except ValueError as subprocess:
                subprocess.run()
            httpx, smtplib = step, step
            httpx.get()
            lambda os: os.urandom(1)
            [environ.get() for environ in [step]]
            match step:
                case {"a": shutil, **threading}:
                    shutil.rmtree(threading.Thread())
        """
    )


def test_own_package_with_the_name_of_a_known_one_is_not_warned_of(agrees: Agrees, module: Modules) -> None:
    module("def accept(x): ...", "aiohttp")  # which nothing here needs, so the name is free

    agrees("import aiohttp\n\nasync def handler(step):\n    aiohttp.accept(1)\n")


def test_local_alias_is_seen_through(agrees: Agrees) -> None:
    agrees(
        """
        import time

        async def handler(step):
            now = time.time
            now()  #! W010
        """
    )


def test_partials_and_own_names_for_known_functions_are_seen_through(agrees: Agrees) -> None:
    agrees(
        """
        from datetime import UTC, datetime
        from functools import partial

        utc_now = partial(datetime.now, UTC)
        make_id = __import__("uuid").uuid4

        async def handler(step):
            utc_now()  #! W010
            make_id()  #! W011
        """
    )


def test_functions_given_to_map_and_the_like_are_seen(agrees: Agrees) -> None:
    agrees(
        """
        import random, uuid

        async def handler(step):
            ids = list(map(uuid.uuid4, [1]))  #! W011
            sorted(ids, key=random.random)  #! W011
        """
    )


def test_default_factories_are_seen_unless_a_value_is_given(agrees: Agrees) -> None:
    agrees(
        """
        import dataclasses, datetime, uuid, pydantic

        @dataclasses.dataclass
        class Order:
            name: str
            id: uuid.UUID = dataclasses.field(default_factory=uuid.uuid4)

        class Note(pydantic.BaseModel):
            made_at: datetime.datetime = pydantic.Field(default_factory=datetime.datetime.now)

        async def handler(step):
            Order("a")  #! W011
            Order("a", step.uuid4())
            Order("a", id=step.uuid4())
            Note()  #! W010
            Note(made_at=step.now())
            Note(**step.fields)
        """
    )


def test_names_are_followed_through_every_way_to_bind_them(agrees: Agrees) -> None:
    agrees(
        """
        import time
        from pathlib import Path

        async def handler(step, where: Path, odd: "not an annotation", **more: Path):
            where.read_text()  #! W012
            odd.read_text(), more.read_text()
            note: Path = Path("x")
            note.read_text()  #! W012
            step.note: int = 1
            if clock := time.time:
                clock()  #! W010
            step.total += 1
            for step.item in []:
                pass
            for a, b in []:
                a.read_text()
            with step:
                pass
            with step as (c, d):
                c.read_text()
            try:
                pass
            except ValueError:
                pass
            match step:
                case [_, *_]:
                    pass
                case {"a": 1}:
                    pass
                case _:
                    pass
            x = y = x
            y()
            (lambda *names, key=time.time(): key)()  #! W010
        """
    )


def test_local_import_that_cannot_be_resolved_is_left_alone(agrees: Agrees) -> None:
    agrees(
        """
        async def handler(step):
            from .. import clock
            from ..times import now
            clock.now(), now()
        """
    )


def test_closure_that_is_not_bound_yet_is_left_alone(agrees: Agrees) -> None:
    agrees(
        """
        def make():
            async def handler(step):
                later()
            return handler
            later = None

        handler = make()
        """
    )


def test_nested_functions_lambdas_and_comprehensions_are_read(agrees: Agrees) -> None:
    agrees(
        """
        import random, time

        async def handler(step):
            async def inner():
                def innermost():
                    return time.time()  #! W010
                return innermost
            pick = lambda: random.random()  #! W011
            return [time.time() for _ in range(3)]  #! W010
        """
    )


def test_module_imported_relatively_in_the_handler_is_followed(agrees: Agrees, module: Modules) -> None:
    module("from time import time as seconds", "clocks")

    agrees(
        """
        __package__ = "clocks"

        async def handler(step):
            from . import seconds
            seconds()  #! W010
        """
    )


def test_one_line_is_warned_of_once_per_rule(agrees: Agrees) -> None:
    agrees(
        """
        import random, time

        async def handler(step):
            return time.time() + time.time() + random.random()  #! W010 W011
        """
    )


def test_message_says_where_what_and_what_to_write_instead(inspected: Findings) -> None:
    [message] = inspected("from datetime import datetime as dt\n\nasync def handler(step):\n    return dt.now()\n")

    assert message.level == WARNING
    assert line_of(message) == 4
    assert str(message.obj).rpartition(":")[0].endswith(".py")
    assert message.msg == "shop.order reads the clock: dt.now()"
    assert message.hint is not None
    assert message.hint.startswith("Use step.now()")
    assert "# deterministic: <reason>" in message.hint


def test_comment_with_a_reason_silences_its_line(agrees: Agrees) -> None:
    agrees(
        """
        import time

        async def handler(step):
            time.time()  # deterministic: only logged
            time.time(
            )  # deterministic: only logged
            step.log(
                time.time(),
            )  # deterministic: only logged
            time.time()  # deterministic:
            #! W010 is wanted of the line above, which gives no reason
        """.replace("# deterministic:\n            #! W010 is", "# deterministic: #! W010\n            # it is")
    )
