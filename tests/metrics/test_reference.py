"""What the documentation says of the metrics is what a scrape gives."""

import re

import pytest
import yaml

from django_workflows.engine.worker import Worker
from django_workflows.metrics.collector import WorkflowCollector
from django_workflows.store.database import is_postgresql
from tests.app.workflows import nothing
from tests.docs.blocks import ROOT, blocks_of
from tests.engine.driver import finish

PAGE = ROOT / "docs" / "how-to" / "observe.md"
NAME = re.compile(r"django_workflows_\w+")


@pytest.fixture
def scraped(transactional_db: None) -> dict[str, set[str]]:
    """The labels of each metric."""
    finish(nothing.start())
    Worker().beat()
    families = list(WorkflowCollector().collect())
    return {each.name: {label for sample in each.samples for label in sample.labels} - {"le"} for each in families}


def test_every_metric_and_label_is_in_the_table_and_no_other(scraped: dict[str, set[str]]) -> None:
    rows = re.findall(r"^\| (`django_workflows_.*?) \| (.*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    described = {name: set(re.findall(r"`(\w+)`", labels)) for names, labels in rows for name in NAME.findall(names)}
    if not is_postgresql():
        assert described.pop("django_workflows_clock_skew_seconds") == set(), "SQLite has the clock of its host"
    assert described == scraped


def test_alerts_ask_for_metrics_that_there_are(scraped: dict[str, set[str]]) -> None:
    documents = [yaml.safe_load(block.code) for block in blocks_of(PAGE) if block.language == "yaml"]
    rules = [rule for each in documents for group in each.get("groups", []) for rule in group["rules"]]
    assert len(rules) > 3
    for rule in rules:
        asked = NAME.findall(rule["expr"])
        assert asked, rule
        assert set(asked) <= set(scraped), rule
