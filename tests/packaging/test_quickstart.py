"""The quickstart works when it is pasted, with the wheel as it would be published."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from sysconfig import get_path

import pytest

from tests.packaging.quickstart import Reader


@pytest.mark.cluster
@pytest.mark.sqlite
def test_it_works(distributions: tuple[Path, Path], tmp_path: Path) -> None:
    wheel = distributions[1]

    def install(python: Path) -> None:
        """The wheel by pip; what it needs from where the tests have it, past whatever else is installed there."""
        subprocess.run(
            [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel],
            check=True,
        )
        ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
        packages = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
        # A folder that is named by a .pth file has its own .pth files ignored, so that our checkout stays unseen.
        (Path(packages) / "dependencies.pth").write_text(get_path("purelib"), encoding="utf-8")
        admin = python.with_name("django-admin")
        admin.write_text(f"#!{python}\nfrom django.core.management import execute_from_command_line as run\nrun()\n")
        admin.chmod(0o755)

    reader = Reader(tmp_path, install, venv=["--without-pip"])
    reader.follow()

    said = dict(reader.output)
    assert "no issues" in said["python manage.py check"]
    results = [output for command, output in reader.output if command.endswith("--wait")]
    assert 'Result: "receipt for order 17"' in results[0]
    assert 'Result: "receipt for order 18"' in results[1]
    (listed,) = (output for command, output in reader.output if command.endswith("workflows list"))
    assert "in progress" in listed
    log = (tmp_path / "quickstart" / "cluster.log").read_text()
    assert log.count("How did you like order 18?") == 1
    assert "site-packages/django_workflows" in where(tmp_path)


def where(folder: Path) -> str:
    """Which copy of the package the project used."""
    python = folder / "quickstart" / ".venv" / "bin" / "python"
    ask = "import django_workflows; print(django_workflows.__file__)"
    return subprocess.run([python, "-c", ask], cwd=folder, capture_output=True, text=True, check=True).stdout
