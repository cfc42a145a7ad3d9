"""What can be done to a workflow: each action does it, notes it, names its permission, or says why not."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from pydantic import BaseModel, Field

from django_workflows import Canceled, Completed, WorkflowContext, define_event
from django_workflows.admin.actions import ACTIONS
from django_workflows.engine import observe
from django_workflows.engine.cancel import cancel
from django_workflows.models import Event, Pool, Step, Worker, Workflow
from tests.admin.pages import LIST, confirm, page_of, text, url
from tests.app import callbacks
from tests.app import workflows as w
from tests.engine.driver import amid_its_action, finish, run

PERMISSIONS = {
    "send-event": "send_event",
    "retry": "restart_workflow",
    "cancel": "cancel_workflow",
    "restart": "restart_workflow",
    "on-complete": "restart_workflow",
    "cleanup": "cleanup_workflow",
}


class Accepted(BaseModel):
    choice: Annotated[int, Field(lt=3)]


class Rejected(BaseModel):
    reason: str


choice = define_event("approval", Accepted | Rejected)


@w.workflow.define
async def chooses(step: WorkflowContext) -> str:
    return type(await step.await_event(choice)).__name__


def waiting() -> Any:
    workflow_id = w.asks_approval.start()
    run()
    return workflow_id


def finished() -> Any:
    workflow_id = w.sums.start([1, 2, 3])
    finish(workflow_id)
    return workflow_id


# -- one by one


def test_cancel_is_noted_with_its_reason(chief: Client) -> None:
    workflow_id = waiting()
    assert "Canceled." in confirm(chief, workflow_id, "cancel", because="asked by the customer")
    assert observe.status(workflow_id) == Canceled()
    assert LogEntry.objects.get().change_message == "Canceled. asked by the customer"


@pytest.mark.parametrize("force", [{}, {"force": "on"}])
def test_cancel_says_which_function_still_runs(chief: Client, settings: Any, force: dict[str, str]) -> None:
    shown: list[str] = []

    def cancels(workflow_id: UUID) -> None:
        shown.append(confirm(chief, workflow_id, "cancel", **force))
        shown.append(text(chief, page_of(workflow_id)))
        settings.LANGUAGE_CODE = "de"
        shown.append(text(chief, page_of(workflow_id)))
        settings.LANGUAGE_CODE = "en"

    workflow_id = amid_its_action(cancels)
    message, page, german = shown
    words = "Step 0 (tests.app.steps.watch_for_cancel) still runs, on "
    assert f"{words}" in message.partition("Still running")[0]
    assert f"Still running {words}" in page
    assert "Läuft noch Schritt 0 (tests.app.steps.watch_for_cancel) läuft noch, auf " in german
    assert "still running" not in text(chief, page_of(workflow_id)).lower(), "it has ended"


def test_cancel_with_clean_up_and_without(chief: Client) -> None:
    gentle, forced = w.cleans_up.start("a"), w.cleans_up.start("b")
    run()
    assert "Asked to cancel: it cleans up first." in confirm(chief, gentle, "cancel")
    assert "canceling" in text(chief, page_of(gentle))
    assert "Canceled without its clean-up." in confirm(chief, forced, "cancel", force="on")
    assert observe.status(forced) == Canceled()


def test_restart_from_a_step_runs_it_again(chief: Client) -> None:
    workflow_id = finished()
    form = text(chief, url("act", workflow_id, "restart"), step="1")
    assert "where it ended: keep every step that it has" in form
    assert "Restarted from step 1." in confirm(chief, workflow_id, "restart", from_step="1")
    assert Step.objects.filter(workflow_id=workflow_id, state="completed").count() == 1
    assert finish(workflow_id) == Completed(6)


def test_a_step_that_is_not_there_is_an_error_at_the_field(chief: Client) -> None:
    workflow_id = finished()
    assert "Select a valid choice" in confirm(chief, workflow_id, "restart", from_step="9")
    assert observe.status(workflow_id) == Completed(6)


def test_retry_now_makes_a_back_off_end(chief: Client) -> None:
    workflow_id = w.call.start("action", "fail_until", {"name": "slow", "attempts": 2}, {"retry": True})
    Step.objects.filter(workflow_id=workflow_id).delete()
    assert "None of its steps waits for another attempt." in confirm(chief, workflow_id, "retry")
    blocked = waiting()
    Workflow.objects.filter(id=blocked).update(blocked_message="no code")
    assert "Tried again now." in confirm(chief, blocked, "retry")


def test_clean_up_goes_back_to_the_list(chief: Client) -> None:
    workflow_id = finished()
    assert "Cleaned up." in confirm(chief, workflow_id, "cleanup")
    assert not Workflow.objects.filter(id=workflow_id).exists()
    assert LogEntry.objects.get().is_deletion()


def test_a_failed_callback_is_run_again(chief: Client) -> None:
    workflow_id = w.sums.with_options(on_complete=callbacks.fails_when_told).start([1])
    callbacks.failing.append(True)
    finish(workflow_id)
    assert "on_complete failed" in text(chief, page_of(workflow_id))
    assert "failed again" in confirm(chief, workflow_id, "on-complete")
    callbacks.failing.clear()
    assert "went well" in confirm(chief, workflow_id, "on-complete")
    assert Workflow.objects.get(id=workflow_id).on_complete_error is None
    assert "Its on_complete has not failed." in confirm(chief, workflow_id, "on-complete")
    assert callbacks.went_well == [workflow_id]


# -- events


def test_an_event_is_sent_by_a_form_of_its_type(chief: Client) -> None:
    workflow_id = waiting()
    form = text(chief, url("act", workflow_id, "send-event"))
    assert "Event approval" in form
    assert "Choice" not in form  # another event of this name, which another workflow waits for
    sent = confirm(chief, workflow_id, "send-event", event="approval", value="on")
    assert 'Sent the event "approval".' in sent
    assert finish(workflow_id) == Completed("yes")


def test_a_form_is_of_the_type_that_the_workflow_waits_for(chief: Client) -> None:
    workflow_id = chooses.start()
    run()
    form = text(chief, url("act", workflow_id, "send-event"))
    assert "Choice" in form
    assert "Rejected" in form
    sent = confirm(chief, workflow_id, "send-event", event="approval", value="0", **{"value.0.choice": "9"})
    assert "Input should be less than 3, got 9 (int) Choice:" in sent
    sent = confirm(chief, workflow_id, "send-event", event="approval", value="0", **{"value.0.choice": "2"})
    assert 'Sent the event "approval".' in sent
    assert finish(workflow_id) == Completed("Accepted")


def test_an_error_can_be_sent_in_place_of_a_value(chief: Client) -> None:
    workflow_id = waiting()
    confirm(chief, workflow_id, "send-event", event="approval", error="the approver left")
    assert finish(workflow_id).type == "failed"


def test_sending_twice_by_one_form_sends_once(chief: Client) -> None:
    workflow_id = waiting()
    data = {"event": "note", "seen": "0", "value": '{"n": 1}'}
    assert "Sent the event" in confirm(chief, workflow_id, "send-event", **data)
    assert 'Not sent: another event "note" was sent meanwhile.' in confirm(chief, workflow_id, "send-event", **data)
    assert Event.objects.filter(name="note").count() == 1


# -- what is not possible says why


def test_what_is_not_possible_says_why_and_changes_nothing(chief: Client) -> None:
    ended, running = finished(), waiting()
    assert "Cancel: It has ended." in confirm(chief, ended, "cancel")
    assert "Restart…: It is still in progress" in confirm(chief, running, "restart")
    assert "Clean up: It is still in progress" in confirm(chief, running, "cleanup")
    assert observe.status(ended) == Completed(6)
    assert LogEntry.objects.count() == 0


def test_a_get_changes_nothing(chief: Client) -> None:
    workflow_id = waiting()
    for name in ACTIONS:
        chief.get(url("act", workflow_id, name), {"confirmed": "1"})
    assert observe.status(workflow_id).type == "in_progress"
    assert Event.objects.count() == 0


def test_a_post_without_the_token_is_refused(chief: Client) -> None:
    workflow_id = waiting()
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = chief.cookies
    assert strict.post(url("act", workflow_id, "cancel"), {"confirmed": "1"}).status_code == 403


# -- permissions


def test_the_table_of_permissions_is_complete() -> None:
    assert {name: action.permission for name, action in ACTIONS.items()} == PERMISSIONS


@pytest.mark.parametrize("name", PERMISSIONS)
def test_an_action_needs_its_permission_and_no_other(login: Callable[..., Client], name: str) -> None:
    workflow_id = waiting()
    others = set(PERMISSIONS.values()) - {PERMISSIONS[name]}
    assert login("view_workflow", *others).get(url("act", workflow_id, name)).status_code == 403
    assert login("view_workflow", *others).post(url("act", workflow_id, name), {"confirmed": "1"}).status_code == 403
    assert login(PERMISSIONS[name]).get(url("act", workflow_id, name)).status_code == 403, "to see it is needed as well"
    assert login("view_workflow", PERMISSIONS[name]).get(url("act", workflow_id, name)).status_code in (200, 302)


def test_who_may_only_look_is_offered_nothing_that_changes_state(login: Callable[..., Client]) -> None:
    viewer, ended, running = login("view_workflow"), finished(), waiting()
    for address in (LIST, page_of(ended), page_of(running), url("dashboard")):
        markup = viewer.get(address).content.decode()
        forms = markup.count('method="post"')
        assert forms == markup.count('id="logout-form"') + markup.count('id="changelist-form"')
        assert "/act/" not in markup
        assert "/start/" not in markup
        assert 'name="action"' not in markup


@pytest.mark.parametrize("name", PERMISSIONS)
def test_who_may_only_look_cannot_forge_it(login: Callable[..., Client], name: str) -> None:
    viewer, running = login("view_workflow", "view_payload"), waiting()
    assert viewer.post(url("act", running, name), {"confirmed": "1"}).status_code == 403
    bulk = {"action": name.replace("-", "_"), "_selected_action": str(running), "confirmed": "1", "index": "0"}
    viewer.post(LIST, bulk)
    assert viewer.post(url("start", w.sums.name), {"value.numbers": "1"}).status_code == 403
    for address in (page_of(running), f"{LIST}{running}/delete/", f"{LIST}add/"):
        assert viewer.post(address, {"post": "yes"}).status_code in (403, 405)
    assert observe.status(running).type == "in_progress"
    assert Workflow.objects.count() == 1
    assert Event.objects.count() == 0


def test_a_stranger_sees_nothing(login: Callable[..., Client]) -> None:
    workflow_id = finished()
    pages = [page_of(workflow_id), url("live", workflow_id), url("timeline", workflow_id)]
    for address in (LIST, url("dashboard"), *pages):
        assert login("view_pool").get(address).status_code == 403
        assert Client().get(address).status_code == 302


# -- many at once


def test_many_are_canceled_after_a_question_and_told_in_one_message(chief: Client) -> None:
    ids = [waiting(), waiting(), finished()]
    chosen = {"_selected_action": [str(each) for each in ids], "action": "cancel"}
    address = f"{LIST}?started_by=any"
    question = chief.post(address, {**chosen, "index": "0"}).content.decode()
    assert "Not for 1 of them: It has ended." in question
    assert all(observe.status(each).type != "canceled" for each in ids)
    answer = chief.post(address, {**chosen, "confirmed": "1", "because": "wrong batch"}, follow=True).content.decode()
    assert answer.count('<li class="warning">') == 1
    assert "Cancel: done for 2 workflows. Not for 1: It has ended." in answer
    assert [observe.status(each).type for each in ids] == ["canceled", "canceled", "completed"]
    assert LogEntry.objects.filter(change_message="Canceled. wrong batch").count() == 2


def test_no_more_than_a_number_at_once(chief: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_workflows.admin.bulk.MOST", 2)
    ids = [str(waiting()) for _ in range(3)]
    answer = chief.post(
        LIST, {"_selected_action": ids, "action": "cancel", "confirmed": "1"}, follow=True
    ).content.decode()
    assert "At most 2 workflows at once" in answer
    assert Workflow.objects.filter(state="in_progress").count() == 3


def test_an_event_is_sent_to_many(chief: Client) -> None:
    ids = [waiting(), waiting()]
    data = {"_selected_action": [str(each) for each in ids], "action": "send_event", "confirmed": "1"}
    chief.post(LIST, {**data, "event": "note", "value": "1"})
    assert Event.objects.filter(name="note", value="1").count() == 2


def test_finished_ones_are_restarted_and_cleaned_up_together(chief: Client) -> None:
    ids = [finished(), finished()]
    data = {"_selected_action": [str(each) for each in ids], "confirmed": "1"}
    assert "done for 2 workflows" in chief.post(LIST, {**data, "action": "restart"}, follow=True).content.decode()
    for each in ids:
        cancel(each, force=True) if observe.status(each).type == "in_progress" else None
    assert "done for 2 workflows" in chief.post(LIST, {**data, "action": "cleanup"}, follow=True).content.decode()
    assert Workflow.objects.count() == 0


# -- every address, by somebody who may only look


def addresses_that_change(running: Any, ended: Any) -> list[str]:
    """Wherever something can be posted, for a workflow in either state."""
    acts = [url("act", each, name) for each in (running, ended) for name in ACTIONS]
    pages = [f"{LIST}{each}/{what}/" for each in (running, ended) for what in ("change", "delete")]
    others = [url(name) for name in ("choose", "dashboard", "patches")]
    parts = [url("live", running), url("timeline", running), url("download", running, "args")]
    rows = ["/admin/django_workflows/worker/add/", "/admin/django_workflows/pool/tests.limited/change/"]
    return [*acts, *pages, *others, *parts, *rows, f"{LIST}add/", url("start", w.sums.name)]


def test_no_address_lets_a_viewer_change_anything(login: Callable[..., Client]) -> None:
    viewer = login("view_workflow", "view_payload", "view_pool", "view_worker")
    running, ended = waiting(), finished()
    viewer.get("/admin/django_workflows/pool/")
    before = everything()
    data = {
        "confirmed": "1",
        "post": "yes",
        "force": "on",
        "event": "approval",
        "value": "true",
        "max_parallelism": "9",
    }
    for address in addresses_that_change(running, ended):
        for send in (viewer.post, viewer.put, viewer.delete, viewer.patch):
            assert send(address, data, content_type="application/x-www-form-urlencoded").status_code < 500, address
        assert viewer.post(address, data).status_code in (200, 302, 403, 404, 405), address
    for action in (name.replace("-", "_") for name in ACTIONS):
        viewer.post(LIST, {"action": action, "_selected_action": [str(running), str(ended)], "confirmed": "1"})
    assert everything() == before


def everything() -> list[Any]:
    models = (Workflow, Step, Event, Pool, Worker, LogEntry)
    return [list(model.objects.order_by("pk").values()) for model in models]  # type: ignore[attr-defined]
