"""Which functions are read beside the handlers themselves."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from django_workflows.checks.determinism import Inspection, check_handlers
from django_workflows.core.definitions import Definition
from django_workflows.core.registry import registry
from tests.checks.conftest import Findings, Modules, line_of, short_id

Agrees = Callable[[str], None]


def test_functions_that_a_handler_calls_are_read_at_any_depth_in_its_module(agrees: Agrees) -> None:
    agrees(
        """
        import time, functools

        def stamp():
            return time.time()  #! W010

        async def label(step):
            return stamp()

        @functools.cache
        def zone():
            return time.localtime()  #! W010

        class Names:
            @staticmethod
            def make():
                return time.ctime()  #! W010

        async def handler(step):
            await label(step)
            zone()
            return list(map(Names.make, [1]))

        def never_called():
            return time.time()
        """
    )


def test_step_functions_are_not_read(agrees: Agrees) -> None:
    agrees(
        """
        import time

        def stamp():
            return time.time()

        async def handler(step):
            return await step.run_action(stamp)
        """
    )


def test_other_modules_are_read_one_deep(inspected: Findings, module: Modules) -> None:
    module("import time\ndef third():\n    return time.time()\n", "far")
    module(
        """
        import time
        from far import third

        def second():
            third()
            return helper()

        def helper():
            return time.time()
        """,
        "near",
    )

    [message] = inspected("import near\n\nasync def handler(step):\n    near.second()\n")

    assert str(message.obj).endswith("near.py:10")
    assert message.msg == "shop.order, in helper(), reads the clock: time.time()"


def test_installed_modules_are_not_read(inspected: Findings) -> None:
    assert inspected("import textwrap, pydantic\n\nasync def handler(step):\n    textwrap.dedent('')\n") == []


def test_functions_that_call_each_other_are_read_once(agrees: Agrees) -> None:
    agrees(
        """
        import time

        def ping(n):
            time.time()  #! W010
            pong(n)

        def pong(n):
            ping(n)

        async def handler(step):
            ping(1)
        """
    )


def test_a_vouched_call_is_not_followed(agrees: Agrees) -> None:
    agrees(
        """
        import time

        def stamp():
            return time.time()

        async def handler(step):
            stamp()  # deterministic: goes to a log only
        """
    )


def test_decorated_handler_is_read_with_its_decorator(agrees: Agrees) -> None:
    agrees(
        """
        import functools, time

        def timed(fn):
            @functools.wraps(fn)
            async def wrapper(step):
                time.time()  #! W010
                return await fn(step)
            return wrapper

        @timed
        async def handler(step):
            return time.monotonic()  #! W010
        """
    )


def test_handler_made_in_a_function_is_read_with_its_closure(agrees: Agrees) -> None:
    agrees(
        """
        import time

        def make(clock, other):
            async def handler(step):
                other
                return clock()  #! W010
            return handler

        handler = make(time.time, None)
        """
    )


@pytest.mark.parametrize("content", [b"def (", b"\xff\xfe\x00", b"x = 1\n", b"# coding: nonsense\n", None])
def test_source_that_cannot_be_read_is_skipped(module: Modules, content: bytes | None) -> None:
    made = module("import time\n\nasync def handler(step):\n    time.time()\n")
    path = Path(made.__file__)
    path.unlink() if content is None else path.write_bytes(content)
    inspection = Inspection()
    inspection.inspect(Definition(name="shop.order", handler=made.handler))

    assert inspection.messages() == []


def test_handler_without_a_file_is_skipped() -> None:
    names: dict[str, Any] = {}
    exec("import time\nasync def handler(step):\n    time.time()\n", names)
    inspection = Inspection()
    inspection.inspect(Definition(name="shop.order", handler=names["handler"]))

    assert inspection.messages() == []


def test_an_expression_too_deep_to_read_is_skipped(inspected: Findings) -> None:
    terms = " + ".join(["step"] * (sys.getrecursionlimit() - 30))

    assert inspected(f"async def handler(step):\n    return {terms}\n") == []


def test_each_run_reads_the_files_anew(module: Modules) -> None:
    made = module("import time\n\nasync def handler(step):\n    time.time()\n")
    Path(made.__file__).write_text("import time\n\nasync def handler(step):\n    step; time.time()\n")
    inspection = Inspection()
    inspection.inspect(Definition(name="shop.order", handler=made.handler))

    [message] = inspection.messages()
    assert (line_of(message), short_id(message)) == (4, "W010")


def test_functions_without_a_module_or_with_an_odd_one_are_no_crash(agrees: Agrees) -> None:
    agrees(
        """
        import types

        class Odd:
            __module__ = None

        nameless = types.FunctionType((lambda: 1).__code__, {})
        nameless.__module__ = None
        nameless.__wrapped__ = nameless
        odd = Odd()

        async def handler(step):
            nameless()
            Odd()
            odd.anything()
            not_there()
        """
    )


@override_settings(AUTH_USER_MODEL="nowhere.User")
def test_a_project_without_a_user_model_is_no_crash(agrees: Agrees) -> None:
    agrees(
        """
        from django.contrib.auth import get_user_model

        async def handler(step):
            get_user_model().objects
        """
    )


def test_many_handlers_are_read_in_milliseconds() -> None:
    check_handlers()
    began = time.process_time()
    check_handlers()

    count = len(list(registry))
    assert count > 20
    assert (time.process_time() - began) / count < 0.02


@pytest.mark.parametrize("prefix", ["", "\ufeff"])
def test_lines_are_those_of_the_file(inspected: Findings, prefix: str) -> None:
    [message] = inspected(f"{prefix}# a comment\nimport time\n\n\n\nasync def handler(step):\n    time.time()\n")

    assert line_of(message) == 7
