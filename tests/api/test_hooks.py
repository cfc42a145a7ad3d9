"""Events by token: from outside, without a login, once."""

import io
import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError
from django.test import AsyncClient, Client
from django.urls import reverse
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


def test_a_token_in_a_header_stands_in_no_address(asking: UUID) -> None:
    token = workflow.create_event_token(workflow.create_event(asking, "approval"), expires_in=60)
    send = APIClient().post
    assert send("/api/hooks/", {"value": True}, format="json").json()["code"] == "EventTokenInvalid"
    answer = send("/api/hooks/", {"value": True}, format="json", headers={"X-Workflow-Token": token})
    assert answer.status_code == 202


def test_the_address_of_a_token_is_made_with_a_slash_and_works_without(asking: UUID) -> None:
    token = workflow.create_event_token(workflow.create_event(asking, "approval"), expires_in=60)
    address = reverse("django_workflows_api:hook", args=[token])
    assert address == f"/api/hooks/{token}/"
    assert APIClient().post(address[:-1], {"value": True}, format="json").status_code == 202


#: What can be wrong with a request, so that its token stays valid.
WRONG: dict[str, dict[str, Any]] = {
    "value": {"data": '{"value": "perhaps"}'},
    "field": {"data": '{"nothing": 1}'},
    "json": {"data": "{"},
    "type": {"content_type": "text/plain"},
    "form": {"data": "value=1", "content_type": "application/x-www-form-urlencoded"},
    "method": {"method": "GET"},
    "other method": {"method": "DELETE"},
    "options": {"method": "OPTIONS"},
    "parameter": {"tail": "/?nothing=1"},
    "more": {"tail": "/more"},
    "more and a slash": {"tail": "/more/"},
    "two slashes": {"tail": "//"},
    "size": {"data": '{"value": "' + "x" * 3_000_000 + '"}'},
    "page": {"data": "{", "HTTP_ACCEPT": "text/html"},
    "page of a get": {"method": "GET", "HTTP_ACCEPT": "text/html"},
    "bug": {"data": '{"value": true}', "bug": True},
    "database": {"data": '{"value": true}', "bug": True, "error": OperationalError("gone")},
}


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("under_asgi", [False, True])
def test_a_token_that_stays_valid_is_not_logged_nor_shown(
    asking: UUID, wrong: dict[str, Any], debug: bool, under_asgi: bool, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django_workflows.api import hooks

    settings.DEBUG, settings.DEBUG_PROPAGATE_EXCEPTIONS = debug, False
    token = workflow.create_event_token(workflow.create_event(asking, "approval"), expires_in=60)
    rest = {"method": "POST", "data": "{}", "content_type": "application/json", "tail": "/", **wrong}
    method, data, kind, tail = (rest.pop(name) for name in ("method", "data", "content_type", "tail"))
    if rest.pop("bug", False):
        error = rest.pop("error", ZeroDivisionError("oh"))

        def fails(token: str, *args: Any, **options: Any) -> None:
            del token
            raise error

        monkeypatch.setattr(hooks, "send_by_token", fails)
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(Everything())
    logging.getLogger().addHandler(handler)
    for name in ("django", "django.request", "django.server"):
        logging.getLogger(name).addHandler(handler)
    try:
        answer = ask(under_asgi, method, f"/api/hooks/{token}{tail}", data, kind, rest)
    finally:
        logging.getLogger().removeHandler(handler)
        for name in ("django", "django.request", "django.server"):
            logging.getLogger(name).removeHandler(handler)
    assert answer.status_code >= 400
    assert answer.status_code < 500 or "bug" in wrong
    assert token not in answer.content.decode()
    assert token not in str(dict(answer.headers))
    assert written.getvalue(), "Django logs what it answers"
    assert token not in written.getvalue()
    monkeypatch.undo()
    assert post(token, {"value": True}) == (202, ""), "it stays valid"


class Everything(logging.Formatter):
    """A record as mails to the admins and error trackers have it: the request, its META, and the frames' variables."""

    def format(self, record: logging.LogRecord) -> str:
        request = getattr(record, "request", None)
        parts = [super().format(record), repr(request)]
        if request is not None:
            parts += [request.path, request.get_full_path(), str(request.META), str(request.resolver_match)]
            parts.append(str(getattr(request, "scope", "")))
        if record.exc_info and record.exc_info[1] is not None:
            trace = record.exc_info[1].__traceback__
            while trace is not None:
                module = trace.tb_frame.f_globals.get("__name__", "")
                if not module.startswith(("tests.", "django.test", "asgiref")):
                    parts += [f"{module} {name}={value!r}" for name, value in trace.tb_frame.f_locals.items()]
                trace = trace.tb_next
        return "\n".join(parts)


def ask(under_asgi: bool, method: str, address: str, data: str, kind: str, headers: dict[str, Any]) -> Any:
    if not under_asgi:
        client = Client(raise_request_exception=False)
        return client.generic(method, address, data, content_type=kind, **headers)
    there = AsyncClient(raise_request_exception=False)
    extra = {name.removeprefix("HTTP_").lower(): value for name, value in headers.items()}

    async def answer() -> Any:
        return await there.generic(method, address, data, content_type=kind, headers=extra)

    return async_to_sync(answer)()


def test_no_page_that_is_shown_for_a_token_tells_others_of_it(asking: UUID) -> None:
    token = workflow.create_event_token(workflow.create_event(asking, "approval"), expires_in=60)
    answer = APIClient().get(f"/api/hooks/{token}/", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (405, "application/problem+json")
    assert (answer.headers["Referrer-Policy"], answer.headers["Cache-Control"]) == ("no-referrer", "no-store")


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
