"""The German translation is whole: no text without one, and what is compiled is what is written."""

from __future__ import annotations

import gettext
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.test import Client

import django_workflows
from tests.admin.pages import LIST, page_of, text, url
from tests.app import workflows as w
from tests.engine.driver import run

if TYPE_CHECKING:
    from pytest_django import Settings

PACKAGE = Path(django_workflows.__file__).parent
#: A translation that neither has a text on its line nor goes on below.
EMPTY = re.compile(r'^msgstr(\[\d\])? ""\s*(?=\nmsgstr|\Z)', re.MULTILINE)
GERMAN = Path("locale/de/LC_MESSAGES")


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with its texts extracted anew, and what is translated merged into them."""
    if shutil.which("xgettext") is None:
        message = "GNU gettext is needed to look for texts without a translation"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    copy = tmp_path_factory.mktemp("texts") / "django_workflows"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "django", "makemessages", "--locale", "de", "--no-location", "--no-wrap"]
    environment = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    subprocess.run(command, cwd=copy, check=True, capture_output=True, env=environment, timeout=300)
    return copy


def test_every_text_has_a_translation(extracted: Path) -> None:
    written = (extracted / GERMAN / "django.po").read_text()
    header, *entries = written.split("\n\n")
    assert "Language: de" in header
    live = [entry for entry in entries if not entry.startswith("#~")]
    assert len(live) > 300
    assert [entry for entry in live if "#, fuzzy" in entry] == []
    assert [entry for entry in live if EMPTY.search(entry)] == []


def test_what_is_compiled_is_what_is_written(tmp_path: Path) -> None:
    if shutil.which("msgfmt") is None:
        pytest.skip("GNU gettext is needed to compile translations")
    fresh = tmp_path / "django.mo"
    subprocess.run(["msgfmt", "-o", str(fresh), str(PACKAGE / GERMAN / "django.po")], check=True, timeout=300)
    assert catalog(PACKAGE / GERMAN / "django.mo") == catalog(fresh)


def catalog(path: Path) -> dict[object, str]:
    with path.open("rb") as file:
        found = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    return {key: words for key, words in found.items() if key}


def test_pages_speak_german(chief: Client, settings: Settings) -> None:
    workflow_id = w.asks_approval.start(timeout=3600)
    run()
    settings.LANGUAGE_CODE = "de"
    shown = text(chief, page_of(workflow_id))
    assert "Wartet auf Ereignis approval (Schritt 0), nicht länger als bis" in shown
    assert "Er ist noch im Gange: brechen Sie ihn erst ab" in shown
    assert "im Gange" in text(chief, LIST)
    assert "Durchsatz" in text(chief, url("dashboard"))
    svg = chief.get(url("timeline", workflow_id)).content.decode()
    assert ">wartet<" in svg
    assert 'width="100%"' in svg, "numbers in a picture are not localized"
