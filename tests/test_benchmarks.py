"""The benchmarks' own parts: what they print and draw, and that each workload runs. What they measure is no test."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.chart import chart
from benchmarks.memory import growth_per_10000
from benchmarks.results import load, medians_of, save, table
from benchmarks.sweep import GRIDS, _combinations
from benchmarks.targets import TARGETS, Target, figure, over_the_best, ratio, report
from tests.frameworks import tasks_framework

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "peers.json"


def test_medians_are_taken_of_each_figure_over_the_rounds_that_have_it():
    rounds = {"ours": [{"a": 1.0, "b": 9.0}, {"a": 3.0, "b": 5.0}, {"a": 2.0}]}
    assert medians_of(rounds) == {"ours": {"a": 2.0, "b": 7.0}}


def test_the_table_has_a_column_for_each_engine_and_a_dash_where_one_has_no_figure():
    found = table({"ours": {"x": 1500.0}, "dbos": {"y": 0.5}})
    assert [line.split() for line in found.splitlines()] == [
        ["ours", "dbos"],
        ["x", "1,500.00", "-"],
        ["y", "-", "0.50"],
    ]


def test_a_run_can_be_split_and_put_together_again(tmp_path):
    path = tmp_path / "results.json"
    save(path, {"ours": [{"a": 1.0}]})
    save(path, {"ours": [*load(path)["ours"], {"a": 3.0}]}, note="kept")
    document = json.loads(path.read_text())
    assert document["medians"] == {"ours": {"a": 2.0}}
    assert (document["about"]["note"], load(None)) == ("kept", {})


def test_a_target_says_whether_it_was_reached_and_nothing_where_it_was_not_measured():
    medians = {"ours": {"x": 4.0}, "dbos": {"x": 2.0}}
    targets = [
        Target("as fast as can be", figure("x"), 5, at_least=True),
        Target("twice the other", ratio("x", "dbos"), 2, at_least=True),
        Target("below all", over_the_best("x"), 1),
        Target("not asked for", figure("y"), 1),
    ]
    assert [row.split()[-1] for row in report(targets, medians).splitlines()] == ["reached", "no", "yes", "no", "-"]


def test_memory_that_grows_is_told_from_memory_that_is_flat():
    assert growth_per_10000(
        [[50.0, 52.0]] * 3 + [[70.0 + number, 74.0 + number] for number in range(6)]
    ) == pytest.approx(10)
    assert growth_per_10000([[50.0], [60.0], *[[70.0]] * 7]) == 0


def test_every_combination_of_settings_is_tried():
    assert len({json.dumps(settings) for settings in _combinations("chain")}) == 8
    assert all(list(_combinations(engine)) for engine in GRIDS)


def test_the_chart_of_the_documentation_is_drawn_from_the_stored_results():
    drawn = chart(json.loads(RESULTS.read_text())["medians"])
    assert (ROOT / "docs/explanation/performance.svg").read_text() == drawn
    ElementTree.fromstring(drawn)


@pytest.mark.postgres
def test_every_workload_of_ours_runs(tmp_path):
    path = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks", "--rounds", "1", "--engines", "ours,ours_sqlite", "--out", str(path)]
    done = subprocess.run(
        command, env=os.environ | {"BENCHMARK_SCALE": "0.01"}, cwd=ROOT, check=True, capture_output=True, text=True
    )
    medians = json.loads(path.read_text())["medians"]
    assert medians["ours_sqlite"]["w2_p50_ms"] > 0
    missing = [target.what for target in TARGETS if target.row(medians)[3] == "-"]
    elsewhere = ("Absurd", "DBOS", "other") if tasks_framework() else ("Absurd", "DBOS", "other", "Tasks")
    assert [what for what in missing if not any(each in what for each in elsewhere)] == []
    assert "reached" in done.stdout
