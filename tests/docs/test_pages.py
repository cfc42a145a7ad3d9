"""Every code block of the README and of the documentation is executed, or where that cannot be, checked for sense."""

from __future__ import annotations

import ast
import configparser
import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
import yaml
from django.conf import settings
from django.template import engines
from shop.models import Order

from django_workflows.core.registry import registry
from django_workflows.engine.live import live_handlers
from tests.app.workflows import nothing
from tests.docs import console_blocks
from tests.docs.blocks import PAGES, ROOT, Block, blocks_of
from tests.docs.python_blocks import Page, undone
from tests.engine.driver import finish

#: Pages whose Python is executed by tests of their own, as the project that their reader has.
OWN_TESTS = {
    "docs/quickstart.md": "tests/packaging/test_quickstart.py",
    "docs/tutorial/": "tests/example/test_tutorial.py",
    "docs/how-to/testing.md": "tests/testing/test_documentation.py",
}
TASKS_PAGE = "docs/how-to/task-queue.md"
#: Pages whose scripts run in a browser.
IN_A_BROWSER = {
    "docs/how-to/follow.md": "tests/browser/test_documented_scripts.py",
    "docs/tutorial/03-approval.md": "tests/browser/test_live_pages.py",
}


@pytest.fixture(autouse=True)
def engine(transactional_db: None) -> Iterator[None]:
    live_handlers.clear()
    yield
    live_handlers.clear()


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_the_blocks_of_a_page_work(path: Path) -> None:
    blocks = blocks_of(path)
    if not blocks:
        pytest.skip("a page without code")
    if name_of(path) == TASKS_PAGE and not settings.TASKS_FRAMEWORK:
        pytest.skip("neither Django 6 nor django-tasks is here")
    order = Order.objects.create()
    samples = {"order_id": order.id, "order": order, "approval": True, "document_id": 1}
    known = {id(definition) for definition in registry}
    with undone():
        page = Page(name_of(path).replace("/", "_").removesuffix(".md").replace("-", "_"), samples)
        for block in blocks:
            evaluate(block, page)
        page.run_workflows([definition for definition in registry if id(definition) not in known])


def evaluate(block: Block, page: Page) -> None:
    """Execute a block; raises whatever is wrong with it."""
    evaluator = EVALUATORS.get(block.language)
    assert evaluator, f"{block.place}: nobody executes blocks of {block.language!r}"
    evaluator(block, page)


def has_own_test(block: Block) -> bool:
    return any(block.page.startswith(each) for each in OWN_TESTS)


def python(block: Block, page: Page) -> None:
    # What is captioned "with ..." shows how it is done with something else, which is not here.
    if block.caption.startswith("with ") or has_own_test(block):
        ast.parse(block.code)
    else:
        page.run(block)


def pycon(block: Block, page: Page) -> None:
    if not has_own_test(block):
        page.run_doctest(block)


def javascript(block: Block, page: Page) -> None:
    """A browser executes it: its page has a test there."""
    assert block.page in IN_A_BROWSER, f"{block.place}: no browser executes this"


def dockerfile(block: Block, page: Page) -> None:
    for words in map(json.loads, re.findall(r"^CMD (.*)$", block.code, re.MULTILINE)):
        console_blocks.check(replace(block, code=f"$ {shlex.join(words)}"), example())


def yaml_document(block: Block, page: Page) -> None:
    """Of services in containers, the commands of ours too."""
    for document in yaml.safe_load_all(block.code):
        for service in document.get("services", {}).values():
            if service["command"][0] == "python":
                console_blocks.check(replace(block, code=f"$ {shlex.join(service['command'])}"), example())


def ini(block: Block, page: Page) -> None:
    """Of a unit of systemd, the command too."""
    units = configparser.RawConfigParser(strict=False)
    units.read_string(block.code)
    for section in units:
        if command := units.get(section, "ExecStart", fallback=""):
            console_blocks.check(replace(block, code=f"$ python {command.partition(' ')[2]}"), example())


EVALUATORS: dict[str, Callable[[Block, Page], object]] = {
    "python": python,
    "pycon": pycon,
    "console": lambda block, page: console_blocks.check(block, example()),
    "json": lambda block, page: json.loads(block.code),
    "yaml": yaml_document,
    "toml": lambda block, page: tomllib.loads(block.code),
    "ini": ini,
    "dockerfile": dockerfile,
    "javascript": javascript,
    "html+django": lambda block, page: engines["django"].from_string(block.code),
}


def example() -> UUID:
    """A finished workflow, for commands that ask for one."""
    workflow_id = nothing.start()
    finish(workflow_id)
    return workflow_id


def test_pages_with_tests_of_their_own_have_them() -> None:
    for page, test in (OWN_TESTS | IN_A_BROWSER).items():
        assert (ROOT / page).exists()
        assert (ROOT / test).exists()


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python", "raise ValueError"),
        ("python", "await step.run_action(print, 1, unknown_option=2)"),
        ("python", "from django_workflows import no_such_name"),
        ("python", 'DJANGO_WORKFLOWS = {"LEESE": 3}'),
        ("python", "async def f(step):\n    await ...\n  x"),
        ("pycon", ">>> 1 + 1\n3\n"),
        ("console", "$ python manage.py workflows shwo ID"),
        ("console", "$ python manage.py workflows list --no-such-option"),
        ("console", "$ python manage.py no_such_command"),
        ("console", "$ make no-such-target"),
        ("console", "$ pip install 'django-durable-workflows[no_such_extra]'"),
        ("console", "$ if then"),
        ("console", "nothing that is typed"),
        ("javascript", "follow();"),
        ("dockerfile", 'CMD ["python", "manage.py", "workflows", "clutser"]'),
        ("ini", "[Service]\nExecStart=/srv/python manage.py workflows clutser"),
        ("yaml", "a: [1"),
        ("yaml", "services: {w: {command: [python, manage.py, workflows, clutser]}}"),
        ("json", "{"),
        ("brainfuck", "+"),
        ("", "without a language"),
    ],
)
def test_a_block_that_is_wrong_is_found(language: str, code: str) -> None:
    with undone(), pytest.raises(BaseException) as caught:  # noqa: PT011 - whatever it is that is wrong
        evaluate(Block("docs/page.md", 7, language, code), Page("page", {}))
    assert not isinstance(caught.value, pytest.fail.Exception)
