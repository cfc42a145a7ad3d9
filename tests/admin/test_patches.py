"""The page of patches."""

from collections.abc import Callable

import pytest
from django.test import Client

from django_workflows.admin import patches
from tests.admin.pages import text, url
from tests.engine.driver import advance, run
from tests.engine.test_mismatches import deployed
from tests.engine.test_patch_report import begin, original, patched


def test_the_page_says_which_old_branches_can_be_deleted(chief: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Patches of the code" in text(chief, url("dashboard"))
    assert "No workflow in progress has met a patch." in text(chief, url("patches"))
    with deployed(original):
        begin(1)
        advance(101)
        run()
    with deployed(patched):
        begin(2)
        advance(101)
        run()
        assert "new way tests deployed 1 2 0 0 needed" in text(chief, url("patches"))
        advance(950)
        run()
        assert "0 2 0 0 No live journal needs it: it can be deleted." in text(chief, url("patches"))
        monkeypatch.setattr(patches, "LIMIT", 1)
        part = text(chief, url("patches"))
        assert "0 1 0 0 not known" in part
        assert "1 journal of a workflow in progress was replayed" in part
        assert "There are more: the newest were looked at" in part


def test_a_page_begins_no_replay_when_its_time_is_over(chief: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with deployed(patched):
        begin(3)
        monkeypatch.setattr(patches, "SECONDS", -1.0)
        shown = text(chief, url("patches"))
    assert "0 journals of workflows in progress were replayed" in shown
    assert "There are more" in shown


def test_it_needs_the_permission_to_see_workflows(login: Callable[..., Client]) -> None:
    assert login("view_workflow").get(url("patches")).status_code == 200
    assert login("view_worker").get(url("patches")).status_code == 403
