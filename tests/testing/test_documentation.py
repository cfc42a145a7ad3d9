"""The how-to's examples, as somebody would paste them."""

import re
from pathlib import Path

import pytest

from tests.testing.test_plugin import SETTINGS, own_environment  # noqa: F401 - a fixture

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "testing.md"
BLOCK = re.compile(r"^```\{code-block\} python\n:caption: (\S+)\n\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files() -> dict[str, str]:
    """What the page shows, by the name in its caption."""
    return dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))


def test_its_examples_work(pytester: pytest.Pytester) -> None:
    assert len(files()) == 6
    pytester.mkpydir("shop")
    pytester.makepyfile(settings=SETTINGS)
    for name, code in files().items():
        (pytester.path / name).write_text(code, encoding="utf-8")
    result = pytester.runpytest_subprocess(
        "--ds=settings", "-W", "error", "-p", "no:cacheprovider", "-v", *(name for name in files() if "test" in name)
    )
    result.assert_outcomes(passed=4)
