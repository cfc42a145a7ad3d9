"""Every supported combination: ``nox`` for all, ``nox -l`` for the list, ``nox -s "..." -- tests/engine`` for a part.

Interpreters are those that are installed; a session whose Python is missing is skipped.
"""

from __future__ import annotations

import os
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["tests", "lowest", "quickstart"]
os.environ.setdefault("UV_PYTHON_DOWNLOADS", "never")

PYTHONS = ["3.11", "3.12", "3.13"]
DJANGOS = ["5.2", "6.0", "6.1"]
DATABASES = ["sqlite", "postgres"]
#: Ours or anybody else's: what is deprecated today is an error of tomorrow.
PYTEST = ["pytest", "-n", "2", "-W", "error::DeprecationWarning", "-W", "error::PendingDeprecationWarning"]


def matrix() -> list[object]:
    """Django 6 needs Python 3.12."""
    return [
        nox.param(python, django, database, id=f"{python}-{django}-{database}")
        for python in PYTHONS
        for django in DJANGOS
        for database in DATABASES
        if django == "5.2" or python != "3.11"
    ]


@nox.session
@nox.parametrize(["python", "django", "database"], matrix())
def tests(session: nox.Session, django: str, database: str) -> None:
    """The tests with the newest that the dependencies allow."""
    session.install("--upgrade", "--editable", ".[dev]", f"django=={django}.*")
    session.run(*PYTEST, *session.posargs, env={"DJANGO_WORKFLOWS_TEST_DB": database})


@nox.session(python="3.11", venv_backend="uv")
@nox.parametrize("database", DATABASES)
def lowest(session: nox.Session, database: str) -> None:
    """The tests with the oldest that the dependencies allow."""
    session.install("--resolution", "lowest-direct", "--editable", ".[dev]")
    session.run(*PYTEST, *session.posargs, env={"DJANGO_WORKFLOWS_TEST_DB": database})


@nox.session(python=PYTHONS)
def quickstart(session: nox.Session) -> None:
    """The wheel, installed into an empty project from the index, and the quickstart followed."""
    dist = Path(session.create_tmp())
    session.install("build", "hatchling", "sybil")
    session.run("python", "-m", "build", "--no-isolation", "--wheel", "--outdir", str(dist), silent=True)
    (wheel,) = dist.glob("*.whl")
    session.run("python", "-m", "tests.packaging.quickstart", str(wheel))
