"""Bodies, headers and parameters that are meant to break something: each is refused as the client's fault."""

import base64
import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from django_workflows import StepNotFound
from django_workflows.models import Workflow
from tests.app.api_workflows import quick, workflow
from tests.app.workflows import asks_approval
from tests.engine.driver import finish, run

ECHO = b'{"name": "tests.app.api_workflows.echo", "args": {"value": %s}}'
QUICK = b'{"name": "tests.app.api_workflows.quick", "args": {"number": %s}}'
DEEP = 100_000

#: Values that stand somewhere in a body, in JSON.
VALUES: list[bytes] = [
    b'"\\u0000"',
    b'"a\\u0000b"',
    b'{"\\u0000": 1}',
    b'[["\\u0000"]]',
    b'"\\ud800"',
    b'"\\udfff"',
    b'"\\uD800\\u0041"',
    b'{"\\udc00": 1}',
    b'["x", {"y": "\\udead"}]',
    b"1e999",
    b"-1e999",
    b"[1e999]",
    b"1" + b"0" * 5000,
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"nan",
    b"[" * DEEP + b"]" * DEEP,
    b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    b"[" * DEEP,
    b"[" * 103 + b"]" * 103,
    b'{"a": 1, "a": 2}',
    b"01",
    b"1.",
    b".5",
    b"0x10",
    b"1_000",
    b"'x'",
    b'"\x01"',
    b'"\t"',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b'"\xc0\xaf"',
    b'"\\x41"',
    b'"\\u12"',
    b'"unfinished',
    b'"' + b'\\"' * 200_000,
    b"{1: 2}",
    b"[1,]",
    b"[1 2]",
    b'{"a"}',
    b'{"a": }',
    b"tru",
    b"None",
    b"undefined",
    b"// comment",
    b"",
    b"\x00",
    b"]",
    b"}",
    b"}}}",
]
#: Whole bodies.
BODIES: list[bytes] = [
    b"\x00",
    b" ",
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\x00}\x00",
    b"null",
    b"1",
    b"[]",
    b'"x"',
    b"{",
    b"{}{}",
    b'{"name": "\\u0000"}',
    b'{"name": "\\ud800"}',
    b'{"name": {"a": 1}}',
    b'{"name": ["tests.app.api_workflows.quick"]}',
    b'{"name": "tests.app.api_workflows.quick", "name": "os.system"}',
    b'{"name": "tests.app.api_workflows.quick", "args": null}',
    b'{"name": "tests.app.api_workflows.quick", "args": [1]}',
    b'{"name": "tests.app.api_workflows.quick", "args": {"": 1}}',
    b'{"name": "tests.app.api_workflows.quick", "args": {"step": 1}}',
    b'{"name": "tests.app.api_workflows.quick", "args": {"self": 1}}',
    b'{"name": "tests.app.api_workflows.quick", "args": {"__class__": 1}}',
    b'{"name": "tests.app.api_workflows.quick", "__proto__": {}}',
    b'{"name": "tests.app.api_workflows.quick", "on_complete": "os.system"}',
    b'{"name": "tests.app.api_workflows.quick", "queue": "other"}',
    b'{"name": "tests.app.api_workflows.quick", "start_async": false}',
    b'{"name": "tests.app.api_workflows.quick", "run_at": 1e999}',
    b'{"name": "tests.app.api_workflows.quick", "run_at": "9999-12-31T23:59:59-12:00"}',
    b'{"name": "tests.app.api_workflows.quick", "run_at": "0001-01-01T00:00:00+14:00"}',
    b'{"name": "tests.app.api_workflows.quick", "run_at": "2026-02-30T00:00:00Z"}',
    b'{"name": "tests.app.api_workflows.quick", "run_at": ""}',
    b'{"name": "tests.app.api_workflows.quick", "idempotency_key": 5}',
    b'{"name": "tests.app.api_workflows.quick", "idempotency_key": "\\u2028"}',
    b'{"name": "tests.app.api_workflows.quick", "idempotency_key": "a\\r\\nSet-Cookie: x"}',
    b'{"name": "tests.app.api_workflows.quick", "idempotency_key": ["a"]}',
    b'{"name": "tests.app.api_workflows.order", "args": {"items": [{"name": "a", "price": "x"}]}}',
    b'{"name": "tests.app.api_workflows.order", "args": {"items": [{"name": "a", "price": 1e400}]}}',
    b'{"name": "tests.app.api_workflows.order", "args": {"items": {"0": {"name": "a"}}}}',
    b'{"name": "tests.app.api_workflows.order", "args": {"items": [], "due": "x"}}',
    b'{"name": "tests.app.api_workflows.order", "args": {"items": [], "due": {}}}',
    b'{"%s": 1}' % (b"x" * 100_000),
    b"{" + b",".join(b'"k%d": 1' % number for number in range(20_000)) + b"}",
]


def refused(answer: Any, *codes: int) -> None:
    assert answer.status_code in codes, (answer.status_code, answer.content[:300])
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert len(answer.content) < 20_000
    json.loads(answer.content)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value[:20]))
def test_a_hostile_value(client: APIClient, value: bytes) -> None:
    for body in (ECHO % value, QUICK % value, value):
        answer = client.post("/api/workflows/", body, content_type="application/json")
        refused(answer, 400)
    assert Workflow.objects.count() == 0


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:80]))
def test_a_hostile_body(client: APIClient, body: bytes) -> None:
    refused(client.post("/api/workflows/", body, content_type="application/json"), 400)
    assert Workflow.objects.count() == 0


@pytest.mark.parametrize("path", ["cancel", "restart", "events"])
def test_hostile_bodies_of_other_actions(client: APIClient, path: str) -> None:
    found = asks_approval.start()
    run()
    for value in VALUES:
        for body in (b'{"name": "a", "value": %s}' % value, b'{"from_step": %s}' % value, b'{"force": %s}' % value):
            refused(client.post(f"/api/workflows/{found}/{path}/", body, content_type="application/json"), 400)
    assert workflow.status(found).type == "in_progress"
    assert client.get(f"/api/workflows/{found}/events/").json()["results"] == []


def test_what_only_looks_hostile_is_taken(client: APIClient) -> None:
    """NUL as text of an escape, deep but not too deep, long but not too long."""
    for value in (b'"\\\\u0000"', b"[" * 98 + b"]" * 98, b'"\\ud83d\\ude00"', b'"' + b"[" * 5000 + b'"', b"1e308"):
        answer = client.post("/api/workflows/", ECHO % value, content_type="application/json")
        assert answer.status_code == 201, answer.content[:300]
        assert answer.json()["args"]["value"] == json.loads(value)


def test_a_body_that_is_too_large(client: APIClient, settings: Any) -> None:
    settings.DJANGO_WORKFLOWS = {"API_MAX_BODY_BYTES": 1000}
    refused(client.post("/api/workflows/", ECHO % (b'"%s"' % (b"x" * 1000)), content_type="application/json"), 413)
    settings.DJANGO_WORKFLOWS = {"MAX_PAYLOAD_BYTES": 1000}
    answer = client.post("/api/workflows/", ECHO % (b'"%s"' % (b"x" * 1000)), content_type="application/json")
    refused(answer, 413)
    assert answer.json()["code"] == "PayloadTooLarge"
    found = asks_approval.start()
    body = b'{"name": "other", "value": "%s"}' % (b"x" * 1000)
    refused(client.post(f"/api/workflows/{found}/events/", body, content_type="application/json"), 413)
    assert Workflow.objects.count() == 1


QUERIES = [
    "nothing=1",
    "state=broken",
    "state=in_progress&state=x",
    "State=failed",
    "name=%00",
    "name=" + "x" * 201,
    "waiting_on=a%00b",
    "parent=5",
    "parent=%00",
    "has_errors=perhaps",
    "top_level=2",
    "started_after=yesterday",
    "started_after=%00",
    "started_before=0001-01-01T00:00:00%2B14:00",
    "finished_before=9999-12-31T23:59:59-12:00",
    "finished_after=99999-01-01",
    "created_after=1e400",
    "page_size=0",
    "page_size=-1",
    "page_size=1e3",
    "page_size=%D9%A5",
    "page_size=" + "9" * 5000,
    "page_size=",
    "ordering=password",
    "ordering=--created_at",
    "ordering=created_at,name",
    "ordering=%00",
    "cursor=x",
    "cursor=%00",
    "cursor=AAAA",
    "cursor=W10",  # []
    "cursor=W2ZhbHNlXQ",  # [false]
    "cursor=W2ZhbHNlLCAiNSJd",  # [false, "5"]
    "cursor=W2ZhbHNlLCB7fV0",  # [false, {}]
    "cursor=" + "A" * 5000,
    "cursor=" + "W1tb" * 100,
    "cursor=%F0%9F%98%80",
]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:40])
def test_a_hostile_query(client: APIClient, query: str) -> None:
    answer = client.get(f"/api/workflows/?{query}")
    refused(answer, 400)
    (error,) = answer.json()["errors"]
    assert error["parameter"] == query.partition("=")[0]


INSTANTS = [
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999-23:59",
    "0001-01-01T00:00:00",
    "10000-01-01T00:00:00Z",
    "-001-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-01-01T25:00:00Z",
    "2026-01-01T00:00:00+99:99",
    "20260101",
    "2026-W01",
    "\x00",
    "1e999",
    "",
    "9" * 400,
]


@pytest.mark.parametrize("ordering", ["started_at", "-started_at", "finished_at", "-finished_at"])
def test_a_cursor_that_holds_no_instant_of_any_database(client: APIClient, ordering: str) -> None:
    quick.start()
    for backward in (False, True):
        for instant in [*INSTANTS, None, 1, -1, 1e308, [], {}, True]:
            text = json.dumps([backward, instant, "019aa000-0000-7000-8000-000000000000"])
            cursor = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
            answer = client.get("/api/workflows/", {"cursor": cursor, "ordering": ordering})
            if isinstance(instant, str) and instant in ("20260101", "2026-W01"):
                assert answer.status_code in (200, 400)
            else:
                refused(answer, 400)
                assert answer.json()["errors"][0]["parameter"] == "cursor"
    for number in (-1, 2**31, 2**63, 2**200, 1.5, "1", None):
        cursor = base64.urlsafe_b64encode(json.dumps([False, number]).encode()).decode()
        refused(client.get(f"/api/workflows/{quick.start()}/steps/", {"cursor": cursor}), 400)


@pytest.mark.parametrize("instant", INSTANTS)
def test_instants_that_no_database_takes(client: APIClient, instant: str) -> None:
    for name in ("created", "started", "finished"):
        for side in ("before", "after"):
            answer = client.get("/api/workflows/", {f"{name}_{side}": instant})
            assert answer.status_code in (200, 400), answer.content
            if answer.status_code == 400:
                assert answer.json()["errors"][0]["parameter"] == f"{name}_{side}"
    answer = client.post("/api/workflows/", {"name": quick.name, "run_at": instant}, format="json")
    refused(answer, 400)
    assert instant == "\x00" or answer.json()["errors"][0]["pointer"] == "#/run_at"


def test_instants_at_the_ends_of_time_are_kept(client: APIClient) -> None:
    for instant in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        answer = client.post("/api/workflows/", {"name": quick.name, "run_at": instant}, format="json")
        assert answer.status_code == 201, answer.content
        assert client.get("/api/workflows/").status_code == 200


@pytest.mark.parametrize("step", [-1, 2**31, 2**63, 2**70, 10**400, 1.5, [], {}, "", "9" * 30, "9" * 501])
def test_steps_that_no_journal_has(client: APIClient, step: Any) -> None:
    found = quick.start()
    finish(found)
    answer = client.post(f"/api/workflows/{found}/restart/", {"from_step": step}, format="json")
    refused(answer, answer.status_code if answer.status_code in (400, 422) else 422)
    assert answer.json()["errors"][0]["pointer"] == "#/from_step"
    if isinstance(step, int):
        with pytest.raises(StepNotFound):
            workflow.restart(found, step)


def test_thousands_of_unknown_parameters_are_not_compared_with_all_that_there_are(client: APIClient) -> None:
    query = "&".join(f"{'x' * 100}{number}=1" for number in range(900))
    answer = client.get(f"/api/workflows/?{query}")
    refused(answer, 400)
    assert len(answer.json()["errors"]) == 50


def test_hostile_queries_of_one_workflow(client: APIClient) -> None:
    found = asks_approval.start()
    for query in ("wait=x", "wait=-1", "wait=nan", "wait=inf", "wait=1e400", "wait=%00", "wiat=1", "wait=" + "1" * 50):
        refused(client.get(f"/api/workflows/{found}/?{query}"), 400)
    for path in ("steps/", "events/", "timeline.svg", "stream/"):
        refused(client.get(f"/api/workflows/{found}/{path}?nothing=1"), 400)
    for cursor in ("W2ZhbHNlLCAtMV0", "W2ZhbHNlLCAxZTMwXQ", "W2ZhbHNlLCA5OTk5OTk5OTk5OTld"):
        refused(client.get(f"/api/workflows/{found}/steps/?cursor={cursor}"), 400)
    for tag in ('"', "W/", ",,,,", "\x7f", 'a"b"'):
        assert client.get(f"/api/workflows/{found}/", headers={"If-None-Match": tag}).status_code == 200
        refused(client.post(f"/api/workflows/{found}/cancel/", headers={"If-Match": tag}), 400)
    refused(client.post(f"/api/workflows/{found}/cancel/", headers={"If-Match": '"99999999999999999999999"'}), 412)


@pytest.mark.parametrize("name", ["\x00", "a\x00b", "\ud800", "é" * 5000, ""])
def test_hostile_logins(name: str) -> None:
    """PostgreSQL takes no NUL in a query, and neither Django nor REST framework looks for one."""
    raw = base64.b64encode(f"{name}:x".encode("utf-8", "surrogatepass")).decode()
    for headers in ({"Authorization": f"Basic {raw}"}, {"Cookie": f"sessionid={name!a:.500}"}):
        refused(APIClient().get("/api/workflows/", headers=headers), 401, 403)
    client = APIClient()
    client.cookies["sessionid"] = name.encode("utf-8", "replace").decode()[:500]
    refused(client.get("/api/workflows/"), 401, 403)


def test_a_database_that_does_not_answer_is_a_503(client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError

    def fail(*_args: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr("django_workflows.api.reading.look", fail)
    found = asks_approval.start()
    answer = client.get(f"/api/workflows/{found}/")
    refused(answer, 503)
    assert answer.headers["Retry-After"] == "5"


def test_a_bug_is_left_to_django(client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("django_workflows.api.reading.look", fail)
    found = asks_approval.start()
    with pytest.raises(ZeroDivisionError):
        client.get(f"/api/workflows/{found}/")
