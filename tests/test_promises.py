"""A promise that is broken is seen, and a machine that is slow is not blamed on what is tested."""

import time

import pytest

from tests import promises
from tests.promises import promise


def test_one_that_is_kept_is_silent() -> None:
    with promise(60):
        pass


def test_one_that_is_broken_is_seen_on_an_idle_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promises, "USUAL", 1000.0)
    with pytest.raises(AssertionError, match=r"not 0\.01 s, on a machine 1\.0 times slower"), promise(0.01):
        time.sleep(0.02)


def test_a_machine_that_is_slower_has_as_much_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promises, "USUAL", promises._sample() / 1000)
    with promise(0.01):
        time.sleep(0.02)


def test_what_goes_wrong_in_it_is_not_hidden() -> None:
    with pytest.raises(LookupError), promise(60):
        raise LookupError
