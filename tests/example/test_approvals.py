"""The approval: its three ends, its page with and without JavaScript, and the JSON that the page asks for."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.test import Client

from django_workflows import Completed, Failed, InProgress, InvalidArguments
from django_workflows.testing import WorkflowTester, assert_replays
from example_project.approvals import steps
from example_project.approvals.models import Request
from example_project.approvals.views import start_confirmation
from example_project.approvals.workflows import approval, confirmation, workflow

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting(workflows: WorkflowTester) -> UUID:
    """A request that waits for its decision."""
    workflows.fake(steps.write_proposals, returns=["one", "two", "three"])
    workflow_id = start_confirmation("tea")
    workflows.run()
    assert workflow.status(workflow_id) == InProgress(running=["approval"])
    return workflow_id


def post(client: Client, workflow_id: UUID, **fields: str) -> int:
    return client.post(f"/approvals/{workflow_id}/", fields).status_code


def test_the_chosen_proposal_is_the_result(client: Client, workflows: WorkflowTester, waiting: UUID) -> None:
    assert post(client, waiting, decision="approve", choice="1") == 302
    workflows.run()
    assert workflow.status(waiting) == Completed("two")
    asked = Request.objects.get()
    assert (asked.outcome, asked.text) == ("success", "two")
    assert_replays(confirmation, workflows.history(waiting))


def test_a_rejection_with_its_reason(client: Client, workflows: WorkflowTester, waiting: UUID) -> None:
    assert post(client, waiting, decision="reject", reason="too <short>") == 302
    workflows.run()
    assert workflow.status(waiting) == Completed("rejected: too <short>")
    assert "rejected: too &lt;short&gt;" in client.get(f"/approvals/{waiting}/").text


def test_a_withdrawn_request_fails(client: Client, workflows: WorkflowTester, waiting: UUID) -> None:
    assert post(client, waiting, decision="withdraw") == 302
    workflows.run()
    status = workflow.status(waiting)
    assert isinstance(status, Failed)
    assert "The request was withdrawn." in status.error
    assert Request.objects.get().outcome == "error"


def test_a_canceled_request(client: Client, waiting: UUID) -> None:
    workflow.cancel(waiting)
    assert Request.objects.get().outcome == "canceled"
    assert "canceled" in client.get(f"/approvals/{waiting}/").text


def test_nobody_answers(workflows: WorkflowTester, waiting: UUID) -> None:
    workflows.advance(timedelta(days=3))
    assert workflow.status(waiting) == Completed("rejected: nobody answered within three days")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"decision": "approve"},
        {"decision": "approve", "choice": "x"},
        {"decision": "approve", "choice": "3"},
        {"decision": "approve", "choice": "-1"},
        {"decision": "explode", "choice": "1"},
    ],
)
def test_a_post_that_means_nothing_changes_nothing(client: Client, waiting: UUID, fields: dict[str, str]) -> None:
    assert post(client, waiting, **fields) == 400
    assert workflow.status(waiting) == InProgress(running=["approval"])


def test_a_second_decision_comes_too_late(client: Client, workflows: WorkflowTester, waiting: UUID) -> None:
    post(client, waiting, decision="approve", choice="0")
    workflows.run()
    assert post(client, waiting, decision="reject") == 409
    assert Request.objects.get().text == "one"


def test_a_value_of_another_shape_is_refused(waiting: UUID) -> None:
    with pytest.raises(InvalidArguments):
        workflow.send_event(waiting, "approval", {"approved": True, "reason": "?"})
    workflow.send_event(waiting, approval, {"approved": True, "choice": 1})


def test_the_writer_is_asked_until_it_answers(workflows: WorkflowTester) -> None:
    ids = [start_confirmation(f"topic {number}") for number in range(9)]
    workflows.run()
    workflows.advance(60)
    assert {tuple(workflow.status(found).running) for found in ids} == {("approval",)}  # type: ignore[union-attr]
    assert all(len(set(asked.proposals)) == 3 for asked in Request.objects.all())
    assert len(workflows.calls(steps.write_proposals)) > len(ids)


def test_the_page_follows_the_workflow(client: Client, workflows: WorkflowTester) -> None:
    page = client.post("/approvals/", {"prompt": "tea"}).headers["Location"]
    text = client.get(page).text
    assert '<noscript><meta http-equiv="refresh"' in text
    assert "live/live.js" in text
    assert "Approve" not in text
    workflows.run()
    workflows.advance(60)
    text = client.get(page).text
    assert "Approve" in text
    assert 'http-equiv="refresh"' not in text, "a page that reloads would throw away what is being typed"
    assert 'data-stage="in_progress approval"' in text
    assert "tea: open" in client.get("/approvals/").text


def test_the_page_may_load_from_this_site_only(client: Client, waiting: UUID) -> None:
    response = client.get(f"/approvals/{waiting}/")
    assert response.headers["Content-Security-Policy"].startswith("default-src 'self'")
    for inline in ("<style", "style=", "onclick", "<script>"):
        assert inline not in response.text


def test_the_json_that_the_page_asks_for(client: Client, workflows: WorkflowTester, waiting: UUID) -> None:
    answer = client.get(f"/live/{waiting}.json")
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.json() | {"done": 0} == {
        "state": "in_progress",
        "stage": "in_progress approval",
        "running": ["approval"],
        "done": 0,
        "total": None,
        "message": "",
        "finished": False,
    }
    post(client, waiting, decision="approve", choice="0")
    workflows.run()
    assert client.get(f"/live/{waiting}.json").json()["finished"] is True


def test_unknown_requests_are_not_found(client: Client) -> None:
    assert client.get(f"/approvals/{uuid4()}/").status_code == 404
    assert client.get(f"/live/{uuid4()}.json").status_code == 404
    assert client.post(f"/approvals/{uuid4()}/", {"decision": "withdraw"}).status_code == 404
