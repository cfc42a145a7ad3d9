"""The benchmarks' own parts: what they print and draw. What they measure is for ``make bench``."""

import json
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.__main__ import _median, _table
from benchmarks.chart import chart

RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"


def test_medians_are_taken_of_each_figure_by_itself():
    rounds = [{"a": 1.0, "b": {"c": 9.0}}, {"a": 3.0, "b": {"c": 5.0}}, {"a": 2.0, "b": {"c": 1.0}}]
    assert _median(rounds) == {"a": 2.0, "b": {"c": 5.0}}


def test_the_table_has_a_column_for_each_engine_and_a_dash_where_one_has_no_figure():
    table = _table({"ours": {"x": 1500.0}, "dbos": {"y": {"z": 0.5}}})
    assert [line.split() for line in table.splitlines()] == [
        ["ours", "dbos"],
        ["x", "1,500.00", "-"],
        ["y.z", "-", "0.50"],
    ]


def test_the_chart_of_the_documentation_is_drawn_from_the_stored_results():
    medians = json.loads((RESULTS / "2026-11.json").read_text())["medians"]
    drawn = chart(medians)
    assert (Path(__file__).parent.parent / "docs/explanation/performance.svg").read_text() == drawn
    ElementTree.fromstring(drawn)
