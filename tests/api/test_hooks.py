"""Events by token: from outside, without a login, once."""

from datetime import timedelta
from uuid import UUID

import pytest
from rest_framework.test import APIClient

from django_workflows import exceptions
from django_workflows.api.problems import STATUSES
from tests.api.conftest import ALL, make_user
from tests.app.api_workflows import workflow
from tests.app.workflows import asks_approval
from tests.engine.driver import advance, run


@pytest.fixture
def asking() -> UUID:
    found = asks_approval.start()
    run()
    return found


def post(token: str, body: object, client: APIClient | None = None) -> tuple[int, str]:
    answer = (client or APIClient()).post(f"/api/hooks/{token}/", body, format="json")
    return answer.status_code, answer.json().get("code", "")


def test_a_token_sends_its_event_once(asking: UUID) -> None:
    token = workflow.create_event_token(workflow.create_event(asking, "approval"), expires_in=60)
    assert post(token, {"value": "perhaps"}) == (422, "invalid")
    assert post(token, {"value": True, "name": "other"}) == (400, "invalid")
    assert post(token, {"value": True}) == (202, "")
    assert post(token, {"value": True}) == (404, "EventTokenInvalid")
    run()
    assert workflow.result(asking, timeout=1) == "yes"


def test_a_login_that_happens_to_be_there_does_no_harm(asking: UUID) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(make_user(*ALL))
    token = workflow.create_event_token(workflow.create_event(asking, "approval"), expires_in=60)
    assert post(token, {"error": "gave up"}, client) == (202, "")


def test_whatever_is_wrong_with_a_token_is_not_told(asking: UUID) -> None:
    token = workflow.create_event_token(workflow.create_event(asking, "approval"), expires_in=timedelta(seconds=5))
    changed = token[:-1] + ("A" if token[-1] != "A" else "B")
    answers = {
        APIClient().post(f"/api/hooks/{each}/", {"value": True}, format="json").content
        for each in (changed, "x", "A" * 64, "%00", "é" * 64, "x" * 5000)
    }
    advance(6)
    answers.add(APIClient().post(f"/api/hooks/{token}/", {"value": True}, format="json").content)
    assert len(answers) == 1
    assert b"EventTokenInvalid" in answers.pop()


def test_every_error_of_the_package_has_a_status() -> None:
    errors = [
        each
        for each in vars(exceptions).values()
        if isinstance(each, type) and issubclass(each, exceptions.WorkflowError)
    ]
    found = {each: next(STATUSES[base] for base in each.__mro__ if base in STATUSES) for each in errors}
    assert all(400 <= status < 500 for status in found.values())
    assert found[exceptions.WorkflowNotFound] == found[exceptions.EventNotFound] == 404
    for name in ("WorkflowNotRunning", "WorkflowStillRunning", "WorkflowAlreadyRunning", "EventAlreadySent"):
        assert found[getattr(exceptions, name)] == 409
    assert found[exceptions.StepNotFound] == found[exceptions.InvalidArguments] == 422
