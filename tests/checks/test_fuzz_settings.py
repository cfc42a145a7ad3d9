"""Any value under any key of ``DJANGO_WORKFLOWS``: a check names what is wrong, and nothing falls over."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from hypothesis import HealthCheck, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from django_workflows import WorkflowError, checks, conf
from tests.app.workflows import sums, workflow
from tests.engine.driver import run


class Mute:
    """An object whose text cannot be had."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")


texts = st.text(st.characters(exclude_categories=()))
ODD = [
    10**5000, -(10**5000), 10**30, 2**63, 0, -1, True, False, None, "", "30", "a.b", ".", "..", "no.such", "park",
    b"30", 1e-300, 1e308, float("nan"), float("inf"), Decimal(5), Decimal("NaN"), 3 + 4j, timedelta(0), timedelta.max,
    timedelta.min, timedelta(seconds=1), [], {}, set(), (), [None], ["a"], {"start": "1/s"}, {"start": 1}, {1: 2},
    {"start": "9" * 5000 + "/s"}, object(), object, len, Mute(), [Mute()], {"start": Mute()}, "x" * 100_000,
    ["builtins.len"], ["."], [".."], ["sys.path"], "sys.path", [len], ["django.http.HttpRequest"],
]  # fmt: skip
plain = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary() | st.timedeltas() | st.decimals()
ODD_KEYS = [None, 1, ("a",), b"LEASE", 10**5000, Mute()]


def one_of(found: list[Any]) -> st.SearchStrategy[Any]:
    """By its number: Hypothesis wants to print what it chooses from."""
    return st.integers(0, len(found) - 1).map(lambda index: found[index])


values = one_of(ODD) | st.recursive(
    plain | st.integers(-2, 200),
    lambda inner: st.lists(inner) | st.dictionaries(texts | st.integers(), inner),
    max_leaves=8,
)
keys = st.sampled_from(sorted(conf.SETTINGS)) | texts | one_of(ODD_KEYS)
whole = st.dictionaries(keys, values, max_size=4) | values
TIMES = int(os.environ.get("DJANGO_WORKFLOWS_TEST_FUZZ", "1"))
fuzzing = examples(max_examples=60 * TIMES, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Iterator[Counter[str]]:
    counts: Counter[str] = Counter()
    yield counts
    record_property("figures", f"DJANGO_WORKFLOWS of any values: {counts.total()}, {dict(sorted(counts.items()))}")


def wrong_ones() -> list[str]:
    """What the checks say against the settings; each with a mend, and none longer than a screen."""
    messages = run_checks(tags=[checks.TAG])
    for message in messages:
        assert message.hint
        assert len(message.msg) < 2000
        assert "hunter2" not in message.msg
    return [message.msg for message in messages if str(message.id).endswith("E001")]


@fuzzing
@example({"LEASE": 10**5000})
@example({"LEASE": Mute()})
@example({"DATABASE": 10**5000})
@example({Mute(): 1})
@example({"METRICS_TOKEN": "hunter2"})
@example(7)
@given(whole)
def test_whatever_is_set_is_taken_or_named(tally: Counter[str], value: Any) -> None:
    with override_settings(DJANGO_WORKFLOWS=value):
        said = wrong_ones()
        if not isinstance(value, dict):
            assert said
            tally["no dict"] += 1
            return
        for key in conf.SETTINGS.keys() & value.keys():
            try:
                getattr(conf.settings, key)
            except ImproperlyConfigured as error:
                assert key in str(error)
                assert any(key in message for message in said)
        known = sum(isinstance(key, str) and key in conf.SETTINGS for key in value)
        assert len(said) >= len(value) - known, "each unknown key is named"
        tally["refused" if said else "taken"] += 1


@fuzzing
@example({"CONTEXT": ["django.http.HttpRequest"]})
@example({"CONTEXT": ["."]})
@example({"CONTEXT": [".."]})
@example({"CONTEXT": ["builtins.len"]})
@given(st.dictionaries(st.sampled_from(sorted(conf.SETTINGS)), values, min_size=1, max_size=3))
def test_work_goes_on_or_says_what_is_wrong(transactional_db: None, tally: Counter[str], value: dict[str, Any]) -> None:
    """Also where nobody has run the checks: an error of ours, or work as usual."""
    with override_settings(DJANGO_WORKFLOWS=value):
        try:
            workflow_id = sums.start([1, 2])
            run()
            tally[f"used, and {workflow.status(workflow_id).type}"] += 1
        except (WorkflowError, ImproperlyConfigured) as error:
            assert str(error)
            tally["refused where it is used"] += 1
    for each in workflow.list(state="in_progress"):
        workflow.cancel(each.id, force=True)
