"""The list: pages that lose and repeat nothing, orders, and every filter."""

import math
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from django_workflows.models import Workflow
from tests.app.api_workflows import order, quick, workflow
from tests.app.workflows import asks_approval, fails, parent, retried, sleeper, sums
from tests.engine.driver import finish, run


def names(client: APIClient, query: str) -> list[str]:
    answer = client.get(f"/api/workflows/?{query}")
    assert answer.status_code == 200, answer.content
    return [row["name"].rpartition(".")[2] for row in answer.json()["results"]]


def walk(client: APIClient, query: str, direction: str = "next") -> tuple[list[list[str]], str | None]:
    """All pages in one direction, and the last address."""
    pages, address, last = [], f"/api/workflows/?{query}" if "http" not in query else query, None
    while address:
        body = client.get(address).json()
        pages.append([row["id"] for row in body["results"]])
        address, last = body[direction], address
    return pages, last


@pytest.mark.parametrize("field", ["created_at", "started_at", "finished_at"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_pages_lose_and_repeat_nothing(client: APIClient, field: str, sign: str) -> None:
    ids = [quick.start(number) for number in range(11)]
    for found in ids[::2]:
        finish(found)
    Workflow.objects.filter(pk__in=ids[:4]).update(**{field: timezone.now()})  # ties
    pages, last = walk(client, f"ordering={sign}{field}&page_size=3")
    assert [len(page) for page in pages] == [3, 3, 3, 2]
    flat = [each for page in pages for each in page]
    assert sorted(flat) == sorted(map(str, ids))
    moments = [getattr(Workflow.objects.get(pk=each), field) for each in flat]
    known = [moment.timestamp() if moment else math.inf for moment in moments]
    if field != "created_at":
        assert known == sorted(known, reverse=sign == "-")
    assert last is not None
    back, _ = walk(client, last, "previous")
    assert list(reversed(back)) == pages


def test_a_page_is_not_shifted_by_what_comes_and_goes(client: APIClient) -> None:
    ids = [str(quick.start(number)) for number in range(6)]
    body = client.get("/api/workflows/?page_size=2").json()
    assert [row["id"] for row in body["results"]] == ids[:3:-1]
    quick.start(9)
    Workflow.objects.filter(pk=ids[4]).delete()
    rest, _ = walk(client, body["next"])
    assert [each for page in rest for each in page] == ids[3::-1]


def test_how_large_a_page_is(client: APIClient, settings: Any) -> None:
    for number in range(5):
        quick.start(number)
    settings.DJANGO_WORKFLOWS = {"API_PAGE_SIZE": 2, "API_MAX_PAGE_SIZE": 3}
    assert len(client.get("/api/workflows/").json()["results"]) == 2
    assert len(client.get("/api/workflows/?page_size=1000").json()["results"]) == 3
    empty = client.get("/api/workflows/?name=nothing").json()
    assert empty == {"next": None, "previous": None, "results": []}


def test_filters(client: APIClient) -> None:
    done, open_order = quick.start(), order.start([])
    failed, asking = fails.start(), asks_approval.start()
    for found in (done, failed):
        finish(found)
    run()
    assert open_order != asking
    assert names(client, "state=completed") == ["quick"]
    assert sorted(names(client, "state=completed&state=failed")) == ["fails", "quick"]
    assert names(client, f"name={fails.name}") == ["fails"]
    assert names(client, "waiting_on=approval") == ["asks_approval"]
    assert names(client, "waiting_on=api%20payment") == ["order"]
    assert sorted(names(client, "waiting_on=event")) == ["asks_approval", "order"]
    assert names(client, "waiting_on=sleep") == []
    assert names(client, "has_errors=true") == ["fails"]
    assert sorted(names(client, "has_errors=false")) == ["asks_approval", "order", "quick"]
    assert names(client, "has_errors=false&state=completed") == ["quick"]


def test_failed_attempts_are_errors(client: APIClient) -> None:
    found = retried.start("x", 2)
    finish(found)
    assert workflow.status(found).type == "completed"
    assert names(client, "has_errors=true") == ["retried"]


def test_children(client: APIClient) -> None:
    found = parent.start([1, 2])
    finish(found)
    assert names(client, f"parent={found}") == ["child", "child"]
    assert names(client, "top_level=true") == ["parent"]
    assert names(client, "top_level=false") == ["child", "child"]


def test_instants(client: APIClient) -> None:
    first, second = sums.start([1]), sleeper.start(50)
    finish(first)
    run()
    early, late = timezone.now() - timedelta(hours=1), timezone.now() + timedelta(hours=1)
    text = {when: moment.isoformat().replace("+00:00", "Z") for when, moment in (("early", early), ("late", late))}
    assert names(client, f"finished_after={text['early']}") == ["sums"]
    assert names(client, f"finished_before={text['early']}") == []
    assert names(client, f"started_after={text['early']}&started_before={text['late']}") == ["sleeper", "sums"]
    assert names(client, f"created_after={text['late']}") == []
    with_offset = early.astimezone(tz=None).isoformat().replace("+", "%2B")
    assert names(client, f"created_after={with_offset}") == ["sleeper", "sums"]
    assert second


def test_a_page_costs_the_same_however_long_it_is(client: APIClient, django_assert_num_queries: Any) -> None:
    for number in range(10):
        quick.start(number)
    client.get("/api/workflows/")  # the user's permissions are known from here on
    for size in (1, 10):
        with django_assert_num_queries(1):
            client.get(f"/api/workflows/?page_size={size}")
