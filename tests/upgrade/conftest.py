"""The previous version's code, beside ours."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: The revision to compare with while there is no release: the first one whose journals have to survive.
RECORDED = ROOT / "tests" / "upgrade" / "previous.txt"


def previous_revision() -> str:
    """The last tag that is not this revision's own, else the recorded revision."""
    described = _git("describe", "--tags", "--abbrev=0", "HEAD^")
    return described.decode().strip() if described else RECORDED.read_text(encoding="ascii").strip()


def _git(*arguments: str) -> bytes:
    """What git prints; nothing where there is no git, or no such thing."""
    try:
        done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True)
    except FileNotFoundError:
        return b""
    return done.stdout if done.returncode == 0 else b""


@pytest.fixture(scope="session")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the previous version: its package, its tests' project, its manage.py."""
    revision = previous_revision()
    archive = _git("archive", revision, "django_workflows", "tests", "example_project", "manage.py")
    if not archive:
        pytest.skip(f"{revision} cannot be had: no git, or a history without it")
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder
