"""The picture of a timeline: what is drawn where, and that foreign texts stay texts."""

from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree

import hypothesis.strategies as st
import pytest
from hypothesis import given

from django_workflows.core.attempts import StepHistory
from django_workflows.core.axis import DISTANCE, marks
from django_workflows.core.lettering import columns, cut, readable
from django_workflows.core.shapes import brackets, shapes
from django_workflows.core.svg import picture
from django_workflows.core.themes import DARK
from django_workflows.core.timeline import Timeline, layout
from tests.core.test_timeline import DAY, at, attempt, ran, tried, waited

SVG = "{http://www.w3.org/2000/svg}"


def laid_out(*steps: StepHistory, end: float = 100, finished: bool = False) -> Timeline:
    return layout(steps, begun_at=at(0), finished_at=at(end) if finished else None, now=at(end))


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_the_picture_tells_each_step_with_its_state_and_duration() -> None:
    failing = tried(attempt(1, "failed", 0, 0, 2), attempt(2, "running", 5, 5, None))
    svg = picture(
        laid_out(failing, ran(1, 0, 4, "reserve"), waited(2, 4, None)), title="shop.order", state="in_progress"
    )
    shown = texts(svg)
    assert shown[:2] == ["shop.order", "in progress, 1 min 40 s"]
    assert {"pay", "1✗ running", "reserve", "completed", "4.0 s", "sleep", "waiting"} <= set(shown)
    assert {"ran", "running", "failed", "waiting", "pause before the next attempt"} <= set(shown)
    assert "queued" not in shown, "the legend explains only what is drawn"


def test_a_group_is_one_row_with_counts() -> None:
    members = [ran(number, number, number + 3, "resize", created=0) for number in range(20)]
    shown = texts(picture(laid_out(*members, end=30), title="t", state="completed"))
    assert "resize \N{MULTIPLICATION SIGN} 20" in shown
    assert "20 completed" in shown


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a&b;]]>", "\x00\ud800\u202e"]
)
def test_a_hostile_name_is_only_text(name: str) -> None:
    svg = picture(laid_out(ran(0, 0, 4, name)), title=name, state="completed")
    tags = {each.tag for each in ElementTree.fromstring(svg).iter()}
    assert tags <= {f"{SVG}{tag}" for tag in ("svg", "title", "defs", "pattern", "rect", "line", "text")}
    assert svg.encode("utf-8")


def test_a_picture_has_nothing_that_a_strict_policy_forbids() -> None:
    svg = picture(laid_out(ran(0, 0, 4)), title="t", state="completed", theme=DARK)
    assert "style" not in svg
    assert "<script" not in svg
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")
    assert DARK.paper in svg


def test_of_very_many_rows_the_first_are_drawn_and_the_rest_counted() -> None:
    timeline = laid_out(*(ran(number, number, number + 1) for number in range(30)))
    svg = picture(timeline, title="t", state="completed", most=10)
    assert "… 20 more" in texts(svg)
    assert len(svg) < 12_000


def test_words_can_be_translated() -> None:
    shown = texts(picture(laid_out(ran(0, 0, 4)), title="t", state="completed", translate=str.upper))
    assert {"COMPLETED", "RAN"} <= set(shown)


# -- the axis


def test_the_axis_counts_from_the_beginning_and_after_a_gap_from_its_end() -> None:
    found = marks(laid_out(ran(0, 0, 10), waited(1, 10, 3 * DAY), ran(2, 3 * DAY, 3 * DAY + 20), end=3 * DAY + 20))
    assert [mark.label for mark in found] == ["0", "5 s", "10 s", "2 d 23 h", "+5 s", "+10 s", "+15 s", "+20 s"]
    assert [mark.is_gap for mark in found].count(True) == 1


@given(st.integers(min_value=0, max_value=10**14), st.lists(st.integers(0, 10**8), max_size=5))
def test_marks_are_in_order_inside_the_width_and_few(microseconds: int, starts: list[int]) -> None:
    steps = [ran(number, start, start + 1) for number, start in enumerate(sorted(starts))]
    timeline = layout(steps, begun_at=at(0), finished_at=at(0) + timedelta(microseconds=microseconds), now=at(0))
    positions = [mark.position for mark in marks(timeline)]
    assert positions == sorted(positions)
    assert all(0 <= position <= 1 for position in positions)
    assert len(positions) <= 1 / DISTANCE + 3 * (len(timeline.gaps) + 1)


# -- shapes and brackets


def test_every_shape_can_be_seen_and_is_inside() -> None:
    timeline = laid_out(ran(0, 0, 0), ran(1, 100, 100), tried(attempt(1, "failed", 0, 0, 0.001)), finished=True)
    for row in timeline.rows:
        for shape in shapes(row, timeline.scale):
            assert shape.width >= 0.004
            assert 0 <= shape.x <= shape.x + shape.width <= 1 + 1e-9


def test_steps_of_one_gather_are_bracketed() -> None:
    child = replace(waited(3, 5, None, kind="workflow"), created_at=at(5), steps=(ran(0, 6, 7),))
    rows = laid_out(ran(0, 0, 4), ran(1, 5, 6), ran(2, 5, 6), child, ran(4, 5, 8), ran(5, 9, 10)).rows
    assert brackets(rows) == ["", "first", "middle", "middle", "", "last", ""]


# -- letters


@given(st.text(), st.integers(1, 50))
def test_a_cut_text_fits_and_keeps_its_end(text: str, most: int) -> None:
    shown = cut(text, most)
    assert columns(shown) <= most
    assert shown == text or text.endswith(shown.removeprefix("…"))


@given(st.text(st.characters(codec=None)))
def test_readable_text_can_be_written_as_xml(text: str) -> None:
    readable(text).encode("utf-8")
    assert readable(text).isprintable()
