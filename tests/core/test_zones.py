"""A datetime or time comes back in the time zone that it had, not with the offset of that day alone."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from django_workflows.core.payloads import codec_for
from django_workflows.core.zones import without_zones
from django_workflows.exceptions import InvalidPayload

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 7, 1, 12, tzinfo=BERLIN)
TEXT = '"2026-07-01T12:00:00+02:00[Europe/Berlin]"'


@dataclass(frozen=True)
class Slot:
    at: datetime
    daily: time | None = None
    others: list[datetime] = field(default_factory=list)


class Meeting(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")

    slot: Slot
    by_name: dict[str, datetime] = {}


class Pair(NamedTuple):
    name: str
    at: datetime


class Named(TypedDict):
    at: datetime


def back(annotation: Any, value: Any) -> tuple[str, Any]:
    text, found = codec_for(annotation).encode_checked(value, what="x", max_bytes=10_000)
    assert repr(codec_for(annotation).decode(text)) == repr(found), "read later as at once"
    assert codec_for(annotation).from_outside(codec_for(Any).decode(text)) == found, "a client may send it as it got it"
    return text, found


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (datetime, NOON, TEXT),
        (datetime | None, NOON, TEXT),
        (datetime | str, NOON, TEXT),
        (list[datetime], [NOON, NOON], f"[{TEXT},{TEXT}]"),
        (tuple[int, datetime], (1, NOON), f"[1,{TEXT}]"),
        (deque[datetime], deque([NOON]), f"[{TEXT}]"),
        (dict[int, datetime], {7: NOON}, f'{{"7":{TEXT}}}'),
        (Pair, Pair("a", NOON), f'["a",{TEXT}]'),
        (Named, {"at": NOON}, f'{{"at":{TEXT}}}'),
        (Slot, Slot(NOON, time(8, tzinfo=BERLIN), [NOON]), None),
        (Meeting, Meeting(slot=Slot(NOON), by_name={"a": NOON}), None),
        (dict[str, list[Slot | None]], {"a": [None, Slot(NOON)]}, None),
        (time, time(8, 30, tzinfo=BERLIN), '"08:30:00[Europe/Berlin]"'),
        (ZoneInfo, BERLIN, '"Europe/Berlin"'),
        (datetime, datetime(2026, 7, 1, tzinfo=UTC), '"2026-07-01T00:00:00Z"'),
        (datetime, datetime(2026, 7, 1), '"2026-07-01T00:00:00"'),  # noqa: DTZ001
        (datetime, datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN), '"2026-10-25T02:30:00+02:00[Europe/Berlin]"'),
        (datetime, datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN), '"2026-10-25T02:30:00+01:00[Europe/Berlin]"'),
        (datetime, datetime(2026, 3, 29, 2, 30, tzinfo=BERLIN), '"2026-03-29T02:30:00+01:00[Europe/Berlin]"'),
        (str, TEXT[1:-1], TEXT),
        (datetime | str, TEXT[1:-1] + " or so", None),
    ],
)
def test_what_comes_back_has_its_zone(annotation: Any, value: Any, text: str | None) -> None:
    stored, found = back(annotation, value)
    assert text in (None, stored)
    assert repr(found).replace("TzInfo(0)", "datetime.timezone.utc") == repr(value)


def test_a_day_later_is_the_same_hour() -> None:
    before = datetime(2026, 10, 24, 8, tzinfo=BERLIN)
    _, found = back(datetime, before)
    assert (found + timedelta(days=1)).isoformat() == "2026-10-25T08:00:00+01:00"


@given(st.datetimes(timezones=st.timezones()))
def test_any_zone(value: datetime) -> None:
    _, found = back(Slot, Slot(value))
    assert found.at.replace(tzinfo=None) == value.replace(tzinfo=None)
    assert found.at.utcoffset() == value.utcoffset()
    assert getattr(found.at.tzinfo, "key", None) == value.tzinfo.key or value.tzinfo.key == "UTC"  # type: ignore[union-attr]


def test_an_offset_stays_an_offset() -> None:
    text, found = back(datetime, datetime(2026, 7, 1, tzinfo=timezone(timedelta(hours=2))))
    assert text == '"2026-07-01T00:00:00+02:00"'
    assert found.utcoffset() == timedelta(hours=2)


def test_a_zone_that_has_other_rules_by_now_keeps_the_instant() -> None:
    found = codec_for(datetime).decode('"2026-07-01T12:00:00+05:00[Europe/Berlin]"')
    assert found.isoformat() == "2026-07-01T09:00:00+02:00"


def test_a_zone_that_is_not_there_says_what_to_install() -> None:
    with pytest.raises(InvalidPayload, match="there is no time zone 'Mars/Olympus' here: install tzdata"):
        codec_for(datetime).decode('"2026-07-01T12:00:00+02:00[Mars/Olympus]"')


def test_texts_without_zones_are_those_of_older_versions() -> None:
    text, _ = back(Meeting, Meeting(slot=Slot(NOON), by_name={"[x]": NOON}))
    assert without_zones(text) == text.replace("[Europe/Berlin]", "")
    assert without_zones('"12:00[Europe/Berlin] is no time"') == '"12:00[Europe/Berlin] is no time"'
