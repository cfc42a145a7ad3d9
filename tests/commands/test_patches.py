"""``patches``: the report for people and for programs."""

from tests.commands.conftest import Manage
from tests.engine.driver import advance, run
from tests.engine.test_mismatches import deployed
from tests.engine.test_patch_report import NAME, begin, original, patched


def test_it_says_what_is_needed_and_what_can_be_deleted(manage: Manage) -> None:
    assert manage("patches") == "No patch in 0 journals.\n"
    with deployed(original):
        begin(1)
        advance(101)
        run()
    with deployed(patched):
        begin(2)
        advance(101)
        run()
        heading, line = manage("patches").splitlines()
        assert heading.split() == ["PATCH", "OLD", "NEW", "AHEAD", "UNCLEAR", "WORKFLOW"]
        assert line.split("  ")[0] == "new way"
        assert line.split()[2:6] == ["1", "2", "0", "0"]
        advance(950)
        run()
        told = manage("patches").splitlines()[-1]
        assert told == f'patched("new way") in {NAME}: no live journal needs the old branch; it can be deleted.'
        (use,) = manage.json("patches", "--name", NAME)["patches"]
        assert use == {
            "name": NAME, "patch": "new way", "old": 0, "new": 2, "ahead": 0, "unclear": 0, "removable": True,
        }  # fmt: skip
        part = manage("patches", "--limit", 1)
        assert "deleted" not in part
        assert "Only the newest 1 were looked at" in part


def test_a_name_that_nothing_has_is_wrong_usage(manage: Manage) -> None:
    manage.error("patches", "--name", "nothing of that name", returncode=2)
