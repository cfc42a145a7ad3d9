"""The tutorial: its code is that of the example project, and the first chapter's works as it stands."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from example_project.launch import guard
from tests.example.chapters import ROOT, files_of, session_of, snippets_of
from tests.example.leftovers import processes_with
from tests.waiting import wait_for

CHAPTER = "01-weather"
LATER = sorted(path.stem for path in (ROOT / "docs" / "tutorial").glob("*.md") if path.stem != CHAPTER)
SAME = ["apps", "models", "steps", "workflows", "urls"]
# Django refuses a project by the name of a module that it finds, and here it finds ours.
STARTPROJECT = """
import sys
from django.core.management import call_command

sys.path = [folder for folder in sys.path if folder != sys.argv[1]]
call_command("startproject", "example_project", ".")
"""
TALK = """
from django.test import Client
from example_project.weather.models import Report
from example_project.weather.workflows import weather_report, workflow

print(workflow.result(weather_report.start(location="Paris"), timeout=30))
client = Client(HTTP_HOST="localhost")
address = client.post("/", {"city": "Tokyo"}).headers["Location"]
tokyo = address.split("/")[2]
print(workflow.result(tokyo, timeout=30))
print(client.get("/").text)
print(client.get(address).text)
print(Report.objects.count(), "reports")
"""
TYPE = """
import doctest

failed, typed = doctest.testfile("session.txt", module_relative=False, optionflags=doctest.ELLIPSIS)
print(typed, "examples")
raise SystemExit(failed)
"""
MANAGER = re.compile(r"^workflow = WorkflowManager\(.*?^\)$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("module", SAME)
def test_the_chapter_has_the_code_of_the_example_project(module: str) -> None:
    path = f"example_project/weather/{module}.py"
    shown = statements(files_of(CHAPTER)[path])
    real = statements((ROOT / path).read_text(encoding="utf-8"))
    assert shown <= real, "\n".join(sorted(shown - real))


@pytest.mark.parametrize("chapter", LATER)
def test_a_later_chapter_has_the_code_of_the_example_project(chapter: str) -> None:
    files = files_of(chapter)
    assert files
    for path, shown in files.items():
        real = (ROOT / path).read_text(encoding="utf-8")
        if path.endswith(".py"):
            assert statements(shown) <= statements(real), "\n".join(sorted(statements(shown) - statements(real)))
        else:
            assert shown.strip() == real.strip(), path


@pytest.mark.parametrize("chapter", LATER)
def test_the_tests_that_a_chapter_shows_are_real_ones(chapter: str) -> None:
    real = [path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "example").glob("test_*.py")]
    shown = snippets_of(chapter)
    assert shown
    assert statements(shown) <= set().union(*map(statements, real))


def statements(code: str) -> set[str]:
    """The statements at the top level of a module, without its docstring; each imported name is one of its own."""
    found = set()
    for node in ast.parse(code).body:
        match node:
            case ast.ImportFrom(module=module, names=names):
                found |= {f"from {module} import {name.name}" for name in names}
            case ast.Expr(value=ast.Constant()):
                pass
            case _:
                found.add(ast.unparse(node))
    return found


@pytest.fixture
def project(tmp_path: Path, weather_service: str) -> Path:
    """A folder with what a reader has at the end of the chapter."""
    run(tmp_path, "-c", STARTPROJECT, str(ROOT))
    (tmp_path / "example_project" / "weather").mkdir()
    run(tmp_path, "manage.py", "startapp", "weather", "example_project/weather")
    for name, code in files_of(CHAPTER).items():
        file = tmp_path / name
        before = file.read_text() if name.endswith("settings.py") else ""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(before + code.replace("http://127.0.0.1:8000/service/", weather_service), encoding="utf-8")
    run(tmp_path, "manage.py", "makemigrations", "weather")
    run(tmp_path, "manage.py", "migrate")
    return tmp_path


@pytest.fixture
def qcluster(project: Path) -> Iterator[None]:
    mark = str(uuid4())
    command = [sys.executable, guard.__file__, "10", sys.executable, "manage.py", "qcluster"]
    with subprocess.Popen(command, cwd=project, stdin=subprocess.PIPE, env=environment(project, MARK=mark)) as process:
        yield
        process.communicate()
    wait_for(lambda: not processes_with(mark))


@pytest.mark.cluster
@pytest.mark.sqlite
def test_what_the_chapter_shows_works(project: Path, qcluster: None) -> None:
    output = run(project, "manage.py", "shell", "-c", TALK)
    assert "WeatherReport(city='Paris', country='France', temperature=" in output
    assert "WeatherReport(city='Tokyo', country='Japan', temperature=" in output
    assert "Tokyo</a>: success" in output
    assert "Tokyo: completed" in output
    assert "2 reports" in output
    (project / "session.txt").write_text(session_of(CHAPTER), encoding="utf-8")
    assert "8 examples" in run(project, "manage.py", "shell", "-c", TYPE)


@pytest.mark.sqlite
def test_the_manager_to_try_fits_into_the_chapters_file(project: Path) -> None:
    file = project / "example_project" / "weather" / "workflows.py"
    changed, replaced = MANAGER.subn(lambda _: snippets_of(CHAPTER).strip(), file.read_text(encoding="utf-8"))
    assert replaced == 1
    assert "max_attempts=20" in changed
    file.write_text(changed, encoding="utf-8")
    run(project, "manage.py", "check")
    assert "example_project.weather.workflows.weather_report" in run(project, "manage.py", "workflows", "definitions")


def run(folder: Path, *arguments: str) -> str:
    """What a Python command of the reader's prints."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Ours, but for the settings; the reader's ``example_project`` comes first, our library is installed."""
    ours = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    return {**ours, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), **more}
