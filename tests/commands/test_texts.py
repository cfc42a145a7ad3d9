"""What is written to a terminal: nothing that it would obey, in columns that stand below each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_workflows.management.texts import aligned, fit, pad, plural, preview, printable, short_name, width


@given(st.text(st.characters(codec=None)))
def test_no_text_can_steer_a_terminal(text: str) -> None:
    assert printable(text).isprintable()
    assert preview(text, 20).isprintable()


def test_what_shows_as_itself_stays_as_it_is() -> None:
    assert printable("Grüße, 東京 ✓") == "Grüße, 東京 ✓"
    assert printable("a\tb\x00\ud800") == r"a\tb\x00\ud800"


def test_long_texts_are_cut_with_a_note() -> None:
    assert preview("x" * 300) == "x" * 300
    assert preview("x" * 301) == "x" * 300 + "... (301 characters; --all shows them)"
    assert preview("\x01" * 300) == "\\x01" * 75 + "... (300 characters; --all shows them)"
    assert preview("x" * 301, None) == "x" * 301


@given(st.text(), st.integers(3, 20))
def test_padded_texts_are_exactly_as_wide_as_asked(text: str, columns: int) -> None:
    assert width(pad(printable(text), columns)) == columns
    assert width(fit(printable(text), columns)) <= columns


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("東京", 4), ("e\u0301", 1), ("ﾄ", 1)])
def test_widths_are_those_of_a_terminal(text: str, columns: int) -> None:
    assert width(text) == columns


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert aligned([("a", "1"), ("東京", "100")], right=[1]) == [["a   ", "  1"], ["東京", "100"]]
    assert aligned([("a" * 100, "b")], widest=10) == [["aaaaaaa...", "b"]]


@pytest.mark.parametrize(("name", "short"), [("shop.steps.pay", "pay"), ("cool down", "cool down"), ("v1.5", "v1.5")])
def test_dotted_paths_are_named_by_their_last_part(name: str, short: str) -> None:
    assert short_name(name) == short


def test_counts_agree_with_their_nouns() -> None:
    assert [plural(count, "step") for count in (0, 1, 2, 1000)] == ["0 steps", "1 step", "2 steps", "1,000 steps"]
