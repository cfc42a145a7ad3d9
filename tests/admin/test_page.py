"""One workflow's page: how it stands, why it waits, what happened, and what is shown to whom."""

import json
from collections.abc import Callable

import pytest
from django.test import Client

from django_workflows.engine.cancel import cancel
from django_workflows.engine.send_event import send_event
from django_workflows.models import Step, Workflow
from tests.admin.pages import LIST, confirm, markup, page_of, text, url
from tests.app import steps
from tests.app import workflows as w
from tests.engine.driver import finish, run


def test_a_workflow_that_waits_for_an_event_says_so_and_what_to_press(chief: Client) -> None:
    workflow_id = w.asks_approval.start(timeout=3600)
    run()
    shown = text(chief, page_of(workflow_id))
    assert "Waiting for ✉" not in shown, "marks are drawn by the style sheet"
    assert "Waiting for event approval (step 0), for no longer than" in shown
    assert "Send it…" in shown
    assert "Restart, Clean up : It is still in progress: cancel it first, or wait for its end." in shown


def test_a_finished_workflow_tells_its_steps_arguments_and_result(chief: Client) -> None:
    workflow_id = w.sums.start([4, 5])
    finish(workflow_id)
    shown = text(chief, page_of(workflow_id))
    assert '{"numbers": [4, 5]}' in shown
    assert "Result 9" in shown
    assert "tests.app.steps.add" in shown
    assert "Cancel : It has ended." in shown or "Cancel: It has ended." in shown.replace(" :", ":")


def test_every_attempt_is_told_with_its_error_and_the_projects_frames_first(chief: Client) -> None:
    workflow_id = w.retried.start("flaky", 3)
    finish(workflow_id)
    shown = text(chief, page_of(workflow_id))
    assert "2 failed attempts" in shown
    assert shown.count("failed after") == 2
    assert "tests/app/steps.py" in shown


def test_without_a_worker_it_says_how_to_start_one(chief: Client) -> None:
    workflow_id = w.sums.start([1])
    assert "No worker has ever reported: start one with manage.py workflows cluster ." in text(
        chief, page_of(workflow_id)
    )


def test_a_blocked_workflow_shows_what_does_not_match(chief: Client, login: Callable[..., Client]) -> None:
    workflow_id = w.asks_approval.start()
    run()
    problem = "step 0: the journal recorded event x, the code asks for <b>y</b>"
    Workflow.objects.filter(id=workflow_id).update(blocked_message=problem)
    shown = text(chief, page_of(workflow_id))
    assert problem in shown
    assert "Deploy code that does the same up to that step" in shown
    assert "recorded" not in text(login("view_workflow"), page_of(workflow_id))


def test_children_are_shown_below_their_parent_and_can_be_folded(chief: Client) -> None:
    workflow_id = w.parent.start([1, 2])
    finish(workflow_id)
    whole = markup(chief, page_of(workflow_id))
    assert whole.count('<tr role="row" class="dwf-depth-1') == 2
    folded = markup(chief, page_of(workflow_id), fold="0")
    assert folded.count('<tr role="row" class="dwf-depth-1') == 1
    child = Workflow.objects.get(parent=workflow_id, parent_step=0)
    assert page_of(child.id) in whole
    assert "Started by" in text(chief, page_of(child.id))


def test_many_siblings_are_one_line_whose_members_are_a_link_away(chief: Client) -> None:
    workflow_id = w.parallel.start(60)
    finish(workflow_id)
    whole = markup(chief, page_of(workflow_id))
    assert whole.count('<tr role="row" class="dwf-depth-0') == 1
    assert "60 ok" in text(chief, page_of(workflow_id))
    members = text(chief, page_of(workflow_id), group="0")
    assert "Page 1 of 2 (60 lines)" in members
    assert "Page 2 of 2" in text(chief, page_of(workflow_id), group="0", p="2")


@pytest.mark.parametrize("query", [{"p": "x"}, {"p": "-1"}, {"p": "99999999999"}, {"group": "7"}, {"fold": "a,,1"}])
def test_a_query_that_makes_no_sense_is_overlooked(chief: Client, query: dict[str, str]) -> None:
    workflow_id = w.sums.start([1, 2])
    finish(workflow_id)
    assert "Timeline" in text(chief, page_of(workflow_id), **query)


def test_payloads_and_errors_need_their_permission(login: Callable[..., Client]) -> None:
    workflow_id = w.fails.start(message="card 4711 declined")
    finish(workflow_id)
    viewer, reader = login("view_workflow"), login("view_workflow", "view_payload")
    assert "4711" in text(reader, page_of(workflow_id))
    shown = text(viewer, page_of(workflow_id))
    assert "4711" not in shown
    assert "RuntimeError" in shown
    assert viewer.get(url("download", workflow_id, "args")).status_code == 403
    assert reader.get(url("download", workflow_id, "args")).json() == {"message": "card 4711 declined"}


def test_secrets_are_masked_on_pages_and_in_downloads(chief: Client) -> None:
    workflow_id = w.echoes.start({"user": "ann", "api_key": "hush-hush", "nested": [{"Password": "hush-hush"}]})
    finish(workflow_id)
    shown = markup(chief, page_of(workflow_id))
    assert "ann" in shown
    assert "hush-hush" not in shown
    assert b"hush-hush" not in chief.get(url("download", workflow_id, "result")).content
    assert "hush-hush" not in markup(chief, url("start", w.echoes.name), like=str(workflow_id))


def test_a_long_payload_is_cut_and_can_be_downloaded_whole(chief: Client) -> None:
    workflow_id = w.echoes.start(["x" * 70] * 1000)
    finish(workflow_id)
    shown = markup(chief, page_of(workflow_id))
    assert "Download all" in shown
    assert len(shown) < 100_000
    assert len(chief.get(url("download", workflow_id, "args")).json()["value"]) == 1000
    step = f"{url('download', workflow_id, 'result')}?step=0"
    assert step in shown
    assert len(chief.get(step).json()) == 1000


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}",
    "\u202egnp",
    "</textarea><script>",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_argument_is_inert_everywhere(chief: Client, value: str) -> None:
    workflow_id = w.echoes.with_options(idempotency_key=value[:100].replace("\u202e", "")).start(value)
    finish(workflow_id)
    waiting = w.asks_approval.start()
    run()
    send_event(waiting, "note", value)
    places = [
        page_of(workflow_id),
        page_of(waiting),
        LIST,
        f"{LIST}?q=%22%3E%3Cscript%3E",
        url("timeline", workflow_id),
        f"{url('start', w.echoes.name)}?like={workflow_id}",
    ]
    for place in places:
        shown = chief.get(place).content.decode()
        assert "<script>alert" not in shown
        assert "<img src=x" not in shown
        assert "\u202e" not in shown or "textarea" in shown
        assert "<script>" not in shown.replace('<script src="', "")


def test_the_picture_is_svg_and_needs_no_payload_permission(login: Callable[..., Client]) -> None:
    workflow_id = w.sums.start([1])
    finish(workflow_id)
    response = login("view_workflow").get(url("timeline", workflow_id), {"theme": "dark"})
    assert response["Content-Type"] == "image/svg+xml"
    assert b"tests.app.workflows.sums" in response.content


def test_events_children_and_changes_are_listed(chief: Client) -> None:
    workflow_id = w.asks_approval.start()
    run()
    send_event(workflow_id, "reminder", {"n": 1})
    shown = text(chief, page_of(workflow_id))
    assert "reminder sent" in shown
    assert '{"n": 1}' in shown
    assert "Nobody has changed anything from the admin." in shown
    confirm(chief, workflow_id, "cancel", because="was a mistake")
    assert "chief Canceled. was a mistake" in text(chief, page_of(workflow_id))


def test_an_unknown_or_impossible_id_is_not_an_error_of_the_server(chief: Client) -> None:
    assert chief.get(page_of("01a21051-0000-7000-8000-000000000000")).status_code == 404
    assert chief.get(f"{LIST}nonsense/change/").status_code == 302


def test_a_page_cannot_be_posted_to(chief: Client) -> None:
    workflow_id = w.sums.start([1])
    assert chief.post(page_of(workflow_id), {"state": "completed"}).status_code == 405


# -- the part that refreshes itself


def test_the_live_part_is_sent_only_when_something_changed(chief: Client) -> None:
    workflow_id = w.asks_approval.start()
    run()
    first = chief.get(url("live", workflow_id))
    assert first.status_code == 200
    assert "<html" not in first.content.decode()
    again = chief.get(url("live", workflow_id), headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304
    assert again.content == b""
    send_event(workflow_id, "approval", True)
    changed = chief.get(url("live", workflow_id), headers={"If-None-Match": first["ETag"]})
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]


def test_progress_and_attempts_are_changes_too(chief: Client) -> None:
    workflow_id = w.sums.start([1])
    run()
    cancelable = w.asks_approval.start()
    run()
    tag = chief.get(url("live", cancelable))["ETag"]
    Step.objects.filter(workflow_id=cancelable).update(progress='[1, 2, ""]')
    assert chief.get(url("live", cancelable), headers={"If-None-Match": tag}).status_code == 200
    assert chief.get(url("live", workflow_id), headers={"If-None-Match": tag}).status_code == 200


def test_the_live_part_depends_on_who_asks(chief: Client, login: Callable[..., Client]) -> None:
    workflow_id = w.asks_approval.start()
    run()
    assert chief.get(url("live", workflow_id))["ETag"] != login("view_workflow").get(url("live", workflow_id))["ETag"]


def test_a_finished_workflow_says_that_nothing_will_change(chief: Client) -> None:
    workflow_id = w.asks_approval.start()
    run()
    cancel(workflow_id)
    assert "data-finished" in chief.get(url("live", workflow_id)).content.decode()
    assert "dwf-live-every" not in markup(chief, page_of(workflow_id))


# -- its cost


@pytest.mark.parametrize("count", [5, 200])
def test_a_page_takes_a_bounded_number_of_statements(
    chief: Client, django_assert_max_num_queries: Callable[..., object], count: int
) -> None:
    workflow_id = w.parallel.start(count)
    finish(workflow_id)
    chief.get(page_of(workflow_id))
    with django_assert_max_num_queries(26):
        chief.get(page_of(workflow_id), {"group": "0"})


def test_the_calls_of_a_step_are_not_run_by_looking(chief: Client) -> None:
    workflow_id = w.sums.start([1])
    finish(workflow_id)
    before = list(steps.calls)
    chief.get(page_of(workflow_id))
    assert list(steps.calls) == before


def test_what_was_forgotten_is_told(chief: Client) -> None:
    workflow_id = w.ends_before_its_child.start(False)
    for amount in range(2):
        send_event(workflow_id, "payment", amount)
    finish(workflow_id)
    shown = text(chief, page_of(workflow_id))
    assert "Steps never awaited 0 tests.app.workflows.waits_for_ever" in shown
    assert "Events never taken payment (2)" in shown


def test_what_was_captured_is_shown_to_those_who_may_see_payloads(chief: Client, login: Callable[..., Client]) -> None:
    workflow_id = w.asks_approval.start()
    kept = {"shop.Tenant": {"name": "acme", "password": "hunter2", "more": "x" * 5000}}
    Workflow.objects.filter(id=workflow_id).update(captured=json.dumps(kept))
    shown = text(chief, page_of(workflow_id))
    assert "Captured" in shown
    assert "acme" in shown
    whole = chief.get(url("download", workflow_id, "captured"))
    assert whole.json()["shop.Tenant"]["more"] == "x" * 5000
    assert "hunter2" not in shown + whole.content.decode()
    other = login("view_workflow")
    assert "acme" not in text(other, page_of(workflow_id))
    assert other.get(url("download", workflow_id, "captured")).status_code == 403
