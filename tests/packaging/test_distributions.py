"""What is published is complete, well described, and the same whoever builds it."""

from __future__ import annotations

import email
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from hatch_build import absolute
from tests.packaging.conftest import ROOT, build

pytestmark = pytest.mark.sqlite  # no database is involved: once is enough

#: Files that are no part of a checkout.
_MADE = {"__pycache__"}


def files_below(folder: str) -> set[str]:
    paths = (path for path in (ROOT / folder).rglob("*") if path.is_file() and not _MADE & set(path.parts))
    return {str(path.relative_to(ROOT)) for path in paths if path.suffix not in (".pyc", ".pyo")}


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(distributions: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distributions[1]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == files_below("django_workflows")
    assert "django_workflows/py.typed" in names
    assert "django_workflows/migrations/0001_initial.py" in names


@pytest.mark.parametrize("kind", ["templates", "static", "locale"])
def test_the_wheel_has_data_files(distributions: tuple[Path, Path], kind: str) -> None:
    """Where the checkout has some."""
    here = {name for name in files_below("django_workflows") if f"/{kind}/" in name}
    with zipfile.ZipFile(distributions[1]) as wheel:
        assert {name for name in wheel.namelist() if f"/{kind}/" in name} == here


def test_the_sdist_can_be_tested_and_read(distributions: tuple[Path, Path]) -> None:
    with tarfile.open(distributions[0]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    for folder in ("django_workflows", "tests", "example_project"):
        assert files_below(folder) <= names
    docs = {name for name in files_below("docs") if not name.startswith("docs/_build/")}
    assert docs <= names
    build = {"Makefile", "manage.py", "noxfile.py", "hatch_build.py", "pyproject.toml"}
    assert {"README.md", "CHANGELOG.md", "UPGRADING.md", "LICENSE", *build} <= names


def test_the_wheel_says_what_it_is(distributions: tuple[Path, Path]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    with zipfile.ZipFile(distributions[1]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        about = email.message_from_bytes(wheel.read(name))
        (points,) = (wheel.read(name) for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    assert about["Version"] == project["version"]
    assert about["Requires-Python"] == ">=3.11"
    assert set(about.get_all("Provides-Extra")) == set(project["optional-dependencies"])
    assert b"django_workflows.testing.plugin" in points


def test_what_an_index_shows_of_the_readme_leads_somewhere(distributions: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distributions[1]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        shown = email.message_from_bytes(wheel.read(name)).get_payload()
    assert re.findall(r"\]\((?!https://)[^)]*\)", shown) == []
    assert "@workflow.define" in shown
    assert "what to do about it in UPGRADING.md" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("link", "shown", "nowhere"),
    [
        ("![a picture](docs/a.png)", "![a picture](https://x.test/y/raw/v1.2/docs/a.png)", ""),
        ("[how-tos](docs/index.md)", "[how-tos](https://x.test/y/blob/v1.2/docs/index.md)", "how-tos"),
        ("[q2](https://q2.test/)", "[q2](https://q2.test/)", "[q2](https://q2.test/)"),
        ("[below](#more)", "[below](#more)", "[below](#more)"),
    ],
)
def test_relative_links_lead_to_the_source_of_that_version(link: str, shown: str, nowhere: str) -> None:
    assert absolute(f"See {link}.", "https://x.test/y/", "1.2") == f"See {shown}."
    assert absolute(f"See {link}.", "", "1.2") == f"See {nowhere}."


def test_twine_finds_nothing_wrong(distributions: tuple[Path, Path]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *distributions], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


def test_two_builds_are_the_same_to_the_byte(distributions: tuple[Path, Path], tmp_path: Path) -> None:
    """In another folder, with other times and rights, from the sdist that was built first."""
    copy = tmp_path / "elsewhere"
    with tarfile.open(distributions[0]) as sdist:
        sdist.extractall(copy, filter="data")
    (source,) = copy.iterdir()
    for path in source.rglob("*"):
        if path.is_file():
            path.touch()
            path.chmod(0o600 | path.stat().st_mode & 0o100)
    again = build(source, tmp_path / "dist", SOURCE_DATE_EPOCH="1580601600", TZ="Asia/Tokyo")
    first = build(ROOT, tmp_path / "first", SOURCE_DATE_EPOCH="1580601600")

    def digests(paths: list[Path]) -> dict[str, str]:
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}

    assert digests(first) == digests(again)
    shutil.rmtree(copy)
