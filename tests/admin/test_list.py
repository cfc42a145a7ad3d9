"""The list of workflows: what it says of each, how it is narrowed, and what it costs."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client

from django_workflows.admin.listing.changelist import look_at
from django_workflows.admin.listing.searching import search
from django_workflows.models import Workflow
from tests.admin.pages import LIST, markup, text, url
from tests.app import workflows as w
from tests.engine.driver import finish, run


def test_each_workflow_says_what_it_waits_for(chief: Client) -> None:
    w.asks_approval.start()
    w.sleeper.start(3600)
    finish(w.retried.start("flaky", 3))
    run()
    shown = text(chief, LIST)
    assert "event approval" in shown
    assert "timer sleep in 59 min" in shown or "timer sleep in 1 h" in shown
    assert "2 failed attempts" in shown
    assert "2 in progress 1 completed 0 failed 0 canceled" in shown


def test_children_are_left_out_until_asked_for(chief: Client) -> None:
    finish(w.parent.start([1, 2]))
    assert "1 workflow" in text(chief, LIST).replace("1 workflows", "")
    assert "3 workflows" in text(chief, LIST, started_by="any")
    assert "2 workflows" in text(chief, LIST, started_by="workflow")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"state": "failed"}, {"fails"}),
        ({"state": "nonsense"}, {"fails", "sums", "asks_approval"}),
        ({"attention": "failed"}, {"fails"}),
        ({"attention": "blocked"}, {"asks_approval"}),
        ({"name": "tests.app.workflows.sums"}, {"sums"}),
        ({"started": "hour"}, {"fails", "sums", "asks_approval"}),
        ({"q": "SUMS"}, {"sums"}),
        ({"q": "order-"}, {"sums"}),
        ({"q": "rder-1"}, set()),
        ({"q": "%"}, set()),
    ],
)
def test_filters_and_search(chief: Client, query: dict[str, str], names: set[str]) -> None:
    finish(w.fails.start())
    finish(w.sums.with_options(idempotency_key="order-1").start([1]))
    blocked = w.asks_approval.start()
    run()
    Workflow.objects.filter(id=blocked).update(blocked_message="no code")
    shown = markup(chief, LIST, **query)
    found = {name for name in ("fails", "sums", "asks_approval") if f">{name}</span>" in shown}
    assert found == names


def test_search_by_id_and_its_beginning() -> None:
    workflow_id = w.sums.start([1])
    for term in (str(workflow_id), str(workflow_id)[:23], workflow_id.hex, str(workflow_id).upper()):
        assert [each.id for each in search(Workflow.objects.all(), term)] == [workflow_id], term
    assert list(search(Workflow.objects.all(), "ffffffff")) == []
    assert list(search(Workflow.objects.all(), "a\x00b")) == []


@pytest.mark.parametrize("count", [2, 30])
def test_the_list_takes_the_same_statements_however_long(
    chief: Client, django_assert_max_num_queries: Callable[..., object], count: int
) -> None:
    for number in range(count):
        w.asks_approval.start()
        w.retried.start(f"flaky {number}", 2)
    run()
    chief.get(LIST)
    # 20, and the look-ups of priorities in use, which are made anew when a second has gone by.
    with django_assert_max_num_queries(22):
        assert "event approval" in text(chief, LIST)


def test_what_rows_show_is_read_for_all_of_them_at_once(django_assert_num_queries: Callable[..., object]) -> None:
    for _ in range(10):
        w.asks_approval.start()
    run()
    rows = list(Workflow.objects.all())
    with django_assert_num_queries(3 if connection.vendor == "postgresql" else 2):
        look_at(rows, may_see=True)


def test_counting_stops_at_a_limit(chief: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_workflows.admin.listing.counts.MANY", 3)
    monkeypatch.setattr("django_workflows.admin.listing.paging.MOST", 4)
    for _ in range(6):
        w.nothing.start()
    shown = text(chief, LIST)
    assert "These are the latest 4." in shown


def test_dashboard_and_workers_and_pools_are_there(chief: Client) -> None:
    finish(w.limited_parallel.start(3))
    shown = text(chief, url("dashboard"))
    assert "limited_parallel" in shown
    assert "≤" in shown
    assert "No worker is running" in shown
    assert "Workers" in text(chief, "/admin/django_workflows/worker/")
    assert "2 at once" in text(chief, "/admin/django_workflows/pool/")


def test_a_limit_changed_in_the_admin_holds(chief: Client) -> None:
    chief.get("/admin/django_workflows/pool/")
    change = "/admin/django_workflows/pool/tests.limited/change/"
    chief.post(change, {"max_parallelism": "7", "rate_limit": "", "rate_period": ""})
    assert "7 at once (the code says: 2 at once)" in text(chief, "/admin/django_workflows/pool/")
    assert "7" in markup(chief, change)


#: At most so many statements, whatever is in the database; look-ups that a second makes anew are among them.
BOUNDS = {
    url("dashboard"): 20,
    url("choose"): 4,
    "/admin/django_workflows/worker/": 18,
    "/admin/django_workflows/pool/": 8,
    f"{LIST}?state=failed": 22,
    f"{LIST}?attention=failed&started=day": 22,
    f"{LIST}?q=fails": 22,
}


def test_every_overview_takes_a_bounded_number_of_statements(
    chief: Client, django_assert_max_num_queries: Callable[..., object]
) -> None:
    for number in range(40):
        w.fails.start(f"broken {number}")
    finish(w.limited_parallel.start(30))
    for address, bound in BOUNDS.items():
        chief.get(address)
        with django_assert_max_num_queries(bound):
            assert chief.get(address).status_code == 200
