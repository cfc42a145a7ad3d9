"""Starting, looking, steering: each address with its status codes, through REST framework's own client."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from django_workflows.models import Workflow
from tests.api.conftest import Clients
from tests.app.api_workflows import payment, workflow
from tests.app.workflows import asks_approval, cleans_up, fails, parent, sums
from tests.engine.driver import amid_its_action, finish, run

ORDER = "tests.app.api_workflows.order"
QUICK = "tests.app.api_workflows.quick"
ECHO = "tests.app.api_workflows.echo"


def start(client: APIClient, name: str = QUICK, args: Any = None, code: int = 201, **more: Any) -> dict[str, Any]:
    answer = client.post("/api/workflows/", {"name": name, "args": args or {}, **more}, format="json")
    assert answer.status_code == code, answer.content
    return dict(answer.json())


def waiting_order(client: APIClient) -> str:
    """The id of an order that waits to be paid."""
    found = start(client, ORDER, {"items": [{"name": "tea"}]})
    run()
    return str(found["id"])


def errors(answer: Any) -> list[tuple[str, str]]:
    """Place and code of each entry of a problem."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.content
    body = answer.json()
    assert body["status"] == answer.status_code
    assert all(body[key] for key in ("title", "detail", "code"))
    found = body.get("errors", [])
    return [(each.get("pointer") or each.get("parameter") or each.get("header"), each["code"]) for each in found]


# -- definitions


def test_definitions_are_those_of_the_api(client: APIClient) -> None:
    found = {each["name"]: each for each in client.get("/api/definitions/").json()}
    assert set(found) >= {ORDER, QUICK, ECHO}
    assert not any(name.endswith("secret") for name in found)
    one = found[ORDER]
    assert one["doc"] == "Take an order, and wait until it is paid.\n\nThe second paragraph."
    assert one["arguments"]["required"] == ["items"]
    assert one["arguments"]["properties"]["items"]["type"] == "array"
    assert [event["name"] for event in one["events"]] == ["api payment"]
    assert one["events"][0]["schema"]["discriminator"]["propertyName"] == "kind"
    assert one["result"]["type"] == "object"
    assert client.get(one["links"]["self"]).json() == one


@pytest.mark.parametrize("name", ["tests.app.api_workflows.secret", "nothing", "os.system"])
def test_other_definitions_are_not_found(client: APIClient, name: str) -> None:
    answer = client.get(f"/api/definitions/{name}/")
    assert answer.status_code == 404
    assert errors(answer) == []
    assert start(client, name, code=404)["code"] == "DefinitionNotFound"
    assert Workflow.objects.count() == 0


# -- start


def test_start_look_and_result(client: APIClient) -> None:
    answer = client.post("/api/workflows/", {"name": QUICK, "args": {"number": 4}, "context": {"a": 1}}, format="json")
    assert answer.status_code == 201
    body = answer.json()
    assert answer.headers["Location"] == body["links"]["self"] == f"http://testserver/api/workflows/{body['id']}/"
    assert body["state"] == "in_progress"
    assert body["status"] == {"type": "in_progress", "running": []}
    assert body["waiting_for"][0]["kind"] == "worker"
    assert body["args"] == {"number": 4}
    assert body["context"] == {"a": 1}
    run()
    looked = client.get(answer.headers["Location"])
    assert looked.status_code == 200
    assert looked.json()["status"] == {"type": "completed", "result": 5}
    assert looked.json()["result"] == 5
    assert looked.json()["finished_at"].endswith("Z")


def test_the_four_shapes(client: APIClient) -> None:
    order = waiting_order(client)
    assert client.get(f"/api/workflows/{order}/").json()["status"] == {
        "type": "in_progress",
        "running": ["api payment"],
    }
    (wait,) = client.get(f"/api/workflows/{order}/").json()["waiting_for"]
    assert (wait["kind"], wait["name"], wait["step"]) == ("event", "api payment", 1)
    failed = fails.start("broken")
    finish(failed)
    status = client.get(f"/api/workflows/{failed}/").json()
    assert status["status"] == {"type": "failed", "error": "broken", "error_type": "builtins.RuntimeError"}
    assert status["error"]["message"] == "broken"
    assert "traceback" not in json.dumps(status)
    workflow.cancel(order)
    assert client.get(f"/api/workflows/{order}/").json()["status"] == {"type": "canceled"}


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, [("#/name", "required")]),
        ([], [("#", "invalid")]),
        ("x", [("#", "invalid")]),
        ({"name": QUICK, "args": []}, [("#/args", "not_a_dict")]),
        ({"name": QUICK, "args": {"number": "x"}}, [("#/args/number", "int_parsing")]),
        ({"name": QUICK, "args": {"numbr": 1}}, [("#/args/numbr", "unexpected_keyword_argument")]),
        ({"name": ORDER, "args": {}}, [("#/args/items", "missing_argument")]),
        ({"name": ORDER, "args": {"items": [{"name": "a", "size": "huge"}]}}, [("#/args/items/0/size", "enum")]),
        ({"name": ORDER, "args": {"items": [{"size": "small"}]}}, [("#/args/items/0/name", "missing")]),
        ({"name": QUICK, "on_complete": "os.system"}, [("#/on_complete", "unknown_field")]),
        ({"name": QUICK, "queue": "x"}, [("#/queue", "unknown_field")]),
        (
            {"name": QUICK, "timeout": 1, "generation": 2},
            [("#/timeout", "unknown_field"), ("#/generation", "unknown_field")],
        ),
        ({"name": QUICK, "key": "k"}, [("#/key", "unknown_field")]),
        ({"name": QUICK, "run_at": "tomorrow"}, [("#/run_at", "invalid")]),
        ({"name": QUICK, "run_at": "2026-01-01T00:00:00"}, [("#/run_at", "naive")]),
        ({"name": QUICK, "run_at": "0001-01-01T00:00:00+10:00"}, [("#/run_at", "range")]),
        ({"name": QUICK, "run_at": 5}, [("#/run_at", "invalid")]),
        ({"name": QUICK, "idempotency_key": ""}, [("#/idempotency_key", "blank")]),
        ({"name": QUICK, "idempotency_key": "a\nb"}, [("#/idempotency_key", "invalid")]),
        ({"name": QUICK, "idempotency_key": "x" * 201}, [("#/idempotency_key", "invalid")]),
        ({"name": 5}, [("#/name", "invalid")]),
        ({"name": None}, [("#/name", "null")]),
    ],
)
def test_a_bad_start_says_where(client: APIClient, body: Any, wrong: list[tuple[str, str]]) -> None:
    answer = client.post("/api/workflows/", body, format="json")
    assert answer.status_code == 400, answer.content
    assert errors(answer) == wrong
    assert Workflow.objects.count() == 0


def test_a_later_start(client: APIClient) -> None:
    when = timezone.now() + timedelta(hours=1)
    body = start(client, run_at=when.isoformat())
    assert body["waiting_for"][0]["kind"] == "start"
    assert run() == 0


# -- idempotency


def test_a_repeated_key_gives_the_first(client: APIClient) -> None:
    first = client.post("/api/workflows/", {"name": QUICK}, format="json", headers={"Idempotency-Key": '"k-1"'})
    again = client.post("/api/workflows/", {"name": QUICK}, format="json", headers={"Idempotency-Key": "k-1"})
    third = client.post("/api/workflows/", {"name": QUICK, "idempotency_key": "k-1"}, format="json")
    assert [each.status_code for each in (first, again, third)] == [201, 200, 200]
    assert {each.json()["id"] for each in (first, again, third)} == {first.json()["id"]}
    assert again.headers["Location"] == first.headers["Location"]
    assert first.json()["idempotency_key"] == "k-1"
    assert Workflow.objects.count() == 1


def test_two_keys_in_one_request(client: APIClient) -> None:
    answer = client.post(
        "/api/workflows/", {"name": QUICK, "idempotency_key": "a"}, format="json", headers={"Idempotency-Key": "b"}
    )
    assert answer.status_code == 400
    assert errors(answer) == [("#/idempotency_key", "invalid")]
    bad = client.post("/api/workflows/", {"name": QUICK}, format="json", headers={"Idempotency-Key": "x" * 300})
    assert bad.status_code == 400
    assert errors(bad) == [("Idempotency-Key", "invalid")]


# -- looking


@pytest.mark.parametrize("path", ["", "steps/", "events/", "timeline.svg", "stream/"])
def test_an_unknown_workflow(client: APIClient, path: str) -> None:
    for text in (str(uuid4()), "5", "nothing", "%00", "0" * 300):
        answer = client.get(f"/api/workflows/{text}/{path}")
        assert answer.status_code == 404
        assert errors(answer) == []


def test_steps_with_attempts_and_payloads(client: APIClient) -> None:
    found = sums.start([1, 2, 3])
    finish(found)
    page = client.get(f"/api/workflows/{found}/steps/?page_size=2").json()
    assert [step["number"] for step in page["results"]] == [0, 1]
    step = page["results"][0]
    assert step["function"] == step["name"] == "tests.app.steps.add"
    assert (step["args"], step["result"]) == ({"a": 0, "b": 1}, 1)
    assert step["attempts"][0]["state"] == "completed"
    rest = client.get(page["next"]).json()
    assert [step["number"] for step in rest["results"]] == [2]
    assert rest["next"] is None
    assert client.get(rest["previous"]).json()["results"] == page["results"]


def test_children_have_links_to_their_parents(client: APIClient) -> None:
    found = parent.start([1, 2])
    finish(found)
    steps = client.get(f"/api/workflows/{found}/steps/").json()["results"]
    children = [client.get(f"/api/workflows/{step['child']}/").json() for step in steps]
    assert [child["parent"] for child in children] == [str(found)] * 2
    assert client.get(children[0]["links"]["parent"]).json()["id"] == str(found)
    listed = client.get(f"/api/workflows/?parent={found}").json()["results"]
    assert {child["id"] for child in listed} == {step["child"] for step in steps}


def test_the_timeline_is_a_picture_that_runs_nothing(client: APIClient) -> None:
    found = sums.start([1, 2, 3])
    finish(found)
    answer = client.get(f"/api/workflows/{found}/timeline.svg", headers={"Accept": "image/svg+xml"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.content.startswith(b"<svg")
    again = client.get(f"/api/workflows/{found}/timeline.svg", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_counts(client: APIClient) -> None:
    for name in ("a", "b"):
        finish(fails.start(name))
    asks_approval.start()
    found = client.get("/api/workflows/counts/").json()
    assert found["total"] == 3
    assert found["by_state"] == {"in_progress": 1, "completed": 0, "failed": 2, "canceled": 0}
    assert found["by_name"]["tests.app.workflows.fails"]["failed"] == 2


def test_health_without_workers(client: APIClient) -> None:
    answer = client.get("/api/health/")
    assert answer.status_code == 200
    assert answer.json()["database"]["ok"] is True
    assert [problem["code"] for problem in answer.json()["problems"]] == ["idle"]


def test_health_while_nobody_takes_what_is_due(client: APIClient) -> None:
    start(client)
    Workflow.objects.update(due_at=timezone.now() - timedelta(hours=1))
    answer = client.get("/api/health/")
    assert answer.status_code == 503
    body = answer.json()
    assert body["ok"] is False
    assert body["oldest_due"] > 3500
    assert body["problems"][0]["code"] == "no_workers"


def test_the_index_names_what_there_is(client: APIClient) -> None:
    for address in client.get("/api/").json().values():
        assert client.get(address).status_code == 200, address


# -- conditions


def test_not_modified(client: APIClient) -> None:
    order = waiting_order(client)
    for path in ("", "steps/", "events/", "timeline.svg"):
        first = client.get(f"/api/workflows/{order}/{path}")
        tag = first.headers["ETag"]
        for header in (tag, f'"x", W/{tag}', "*"):
            again = client.get(f"/api/workflows/{order}/{path}", headers={"If-None-Match": header})
            assert (again.status_code, again.headers["ETag"], again.content) == (304, tag, b"")
    tag = client.get(f"/api/workflows/{order}/").headers["ETag"]
    workflow.send_event(order, payment, {"kind": "paid", "amount": 3})
    run()
    assert client.get(f"/api/workflows/{order}/", headers={"If-None-Match": tag}).status_code == 200


def test_if_match(client: APIClient) -> None:
    order = waiting_order(client)
    tag = client.get(f"/api/workflows/{order}/").headers["ETag"]
    workflow.create_event(order, "something else")
    stale = {"If-Match": tag}
    for path, body in (("cancel/", {}), ("events/", {"name": "x"}), ("restart/", {})):
        answer = client.post(f"/api/workflows/{order}/{path}", body, format="json", headers=stale)
        assert answer.status_code == 412
        assert errors(answer) == []
    assert client.delete(f"/api/workflows/{order}/", headers=stale).status_code == 412
    assert client.post(f"/api/workflows/{order}/cancel/", headers={"If-Match": f"W/{tag}"}).status_code == 412
    assert client.post(f"/api/workflows/{order}/cancel/", headers={"If-Match": "nonsense"}).status_code == 400
    tag = client.get(f"/api/workflows/{order}/").headers["ETag"]
    answer = client.post(f"/api/workflows/{order}/cancel/", headers={"If-Match": f'"other", {tag}'})
    assert answer.status_code == 200
    assert answer.json()["state"] == "canceled"
    assert client.delete(f"/api/workflows/{order}/", headers={"If-Match": answer.headers["ETag"]}).status_code == 204


# -- acting


def test_cancel(client: APIClient) -> None:
    order = waiting_order(client)
    answer = client.post(f"/api/workflows/{order}/cancel/")
    assert (answer.status_code, answer.json()["state"]) == (200, "canceled")
    again = client.post(f"/api/workflows/{order}/cancel/", {}, format="json")
    assert again.status_code == 409
    assert again.json()["code"] == "WorkflowNotRunning"


def test_cancel_of_one_that_cleans_up(client: APIClient) -> None:
    found = cleans_up.start("a")
    run()
    answer = client.post(f"/api/workflows/{found}/cancel/", {}, format="json")
    assert (answer.status_code, answer.json()["state"]) == (202, "in_progress")
    assert answer.json()["cancel_requested_at"] is not None
    forced = client.post(f"/api/workflows/{found}/cancel/", {"force": True}, format="json")
    assert (forced.status_code, forced.json()["state"]) == (200, "canceled")


def test_restart(client: APIClient) -> None:
    found = sums.start([1, 2, 3])
    assert client.post(f"/api/workflows/{found}/restart/").status_code == 409
    finish(found)
    answer = client.post(f"/api/workflows/{found}/restart/", {"from_step": 1}, format="json")
    assert (answer.status_code, answer.json()["state"], answer.json()["generation"]) == (202, "in_progress", 2)
    finish(found)
    named = client.post(f"/api/workflows/{found}/restart/", {"from_step": "tests.app.steps.add"}, format="json")
    assert named.status_code == 202
    finish(found)
    for bad in (77, "nothing"):
        answer = client.post(f"/api/workflows/{found}/restart/", {"from_step": bad}, format="json")
        assert answer.status_code == 422
        assert errors(answer) == [("#/from_step", "StepNotFound")]
    for wrong in (-1, True, 1.5, [], {"a": 1}, ""):
        answer = client.post(f"/api/workflows/{found}/restart/", {"from_step": wrong}, format="json")
        assert answer.status_code == 400
        assert errors(answer) == [("#/from_step", "invalid")]


def test_a_restart_runs_what_failed_again_or_keeps_it(client: APIClient) -> None:
    found = fails.start("broken")
    finish(found)
    address = f"/api/workflows/{found}/restart/"
    assert client.post(address, {"keep": True}, format="json").status_code == 202
    assert finish(found).type == "failed"
    assert client.post(address, {"from_step": None, "keep": False}, format="json").status_code == 202
    assert finish(found).type == "failed"
    for wrong in ({"keep": "yes"}, {"keep": True, "from_step": 0}):
        answer = client.post(address, wrong, format="json")
        assert (answer.status_code, errors(answer)) == (400, [("#/keep", "invalid")])


def test_blocked_ones_are_listed_by_reason_and_retried(client: APIClient) -> None:
    order, other = waiting_order(client), waiting_order(client)
    Workflow.objects.filter(id=order).update(blocked_message="changed", blocked_reason="code_mismatch")
    for query in (
        "state=blocked",
        "reason=code_mismatch",
        "state=blocked&state=failed",
        "state=blocked&reason=code_mismatch",
    ):
        (row,) = client.get(f"/api/workflows/?{query}").json()["results"]
        assert (row["id"], row["blocked"]["reason"], row["blocked"]["message"]) == (order, "code_mismatch", "changed")
    assert client.get("/api/workflows/?reason=stuck").json()["results"] == []
    assert client.get("/api/workflows/?state=parked").status_code == 400
    assert client.post(f"/api/workflows/{order}/retry/").status_code == 202
    run()
    assert client.get(f"/api/workflows/{order}/").json()["blocked"] is None
    assert client.post(f"/api/workflows/{other}/cancel/").json()["blocked"] is None
    assert client.post(f"/api/workflows/{other}/retry/").status_code == 409


def test_an_event_is_sent_and_taken(client: APIClient) -> None:
    order = waiting_order(client)
    body = {"name": "api payment", "value": {"kind": "paid", "amount": 3}}
    answer = client.post(f"/api/workflows/{order}/events/", body, format="json")
    assert answer.status_code == 202
    assert answer.json()["state"] == "consumed"
    assert answer.json()["value"] == {"kind": "paid", "amount": 3}
    run()
    assert client.get(f"/api/workflows/{order}/").json()["result"] == {"total": 1, "paid": 3}
    (listed,) = client.get(f"/api/workflows/{order}/events/").json()["results"]
    assert listed["id"] == answer.json()["id"]
    late = client.post(f"/api/workflows/{order}/events/", body, format="json")
    assert (late.status_code, late.json()["code"]) == (409, "WorkflowNotRunning")


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"kind": "paid", "amount": -1}, "#/value/amount"),
        ({"kind": "paid"}, "#/value/amount"),
        ({"kind": "stolen"}, "#/value"),
        (5, "#/value"),
        (None, "#/value"),
    ],
)
def test_an_event_that_does_not_fit(client: APIClient, value: Any, place: str) -> None:
    order = waiting_order(client)
    answer = client.post(f"/api/workflows/{order}/events/", {"name": "api payment", "value": value}, format="json")
    assert answer.status_code == 422
    assert errors(answer)[0][0] == place
    assert client.get(f"/api/workflows/{order}/events/").json()["results"] == []


def test_an_event_by_its_id_and_as_an_error(client: APIClient) -> None:
    order = waiting_order(client)
    made = workflow.create_event(order, "reply")
    address = f"/api/workflows/{order}/events/"
    assert client.post(address, {"event_id": str(made), "value": 1}, format="json").status_code == 202
    twice = client.post(address, {"event_id": str(made), "value": 1}, format="json")
    assert (twice.status_code, twice.json()["code"]) == (409, "EventAlreadySent")
    unknown = client.post(address, {"event_id": str(uuid4())}, format="json")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "EventNotFound")
    failed = client.post(address, {"name": "api payment", "error": "gave up"}, format="json")
    assert failed.status_code == 202
    assert failed.json()["error"]["message"] == "gave up"
    run()
    assert client.get(f"/api/workflows/{order}/").json()["status"]["type"] == "failed"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "#"),
        ({"name": "a", "event_id": "00000000-0000-0000-0000-000000000000"}, "#"),
        ({"name": "a", "value": 1, "error": "b"}, "#"),
        ({"name": "a", "valeu": 1}, "#/valeu"),
        ({"event_id": "5"}, "#/event_id"),
        ({"name": ""}, "#/name"),
        ({"name": "a", "error": "\u0000"}, None),
    ],
)
def test_a_bad_event(client: APIClient, body: Any, place: str | None) -> None:
    order = waiting_order(client)
    answer = client.post(f"/api/workflows/{order}/events/", body, format="json")
    assert answer.status_code == 400
    assert [where for where, _ in errors(answer)] == ([] if place is None else [place])


def test_delete(client: APIClient) -> None:
    found = sums.start([1])
    busy = client.delete(f"/api/workflows/{found}/")
    assert (busy.status_code, busy.json()["code"]) == (409, "conflict")
    finish(found)
    assert client.delete(f"/api/workflows/{found}/").status_code == 204
    assert client.delete(f"/api/workflows/{found}/").status_code == 404
    assert not Workflow.objects.filter(pk=found).exists()


@pytest.mark.parametrize("method", ["put", "patch"])
def test_other_methods(client: APIClient, method: str) -> None:
    answer = getattr(client, method)(f"/api/workflows/{uuid4()}/", {}, format="json")
    assert answer.status_code == 405
    assert errors(answer) == []
    assert client.get(f"/api/workflows/{uuid4()}/cancel/").status_code == 405


def test_other_media_types(client: APIClient) -> None:
    assert client.post("/api/workflows/", {"name": QUICK}, format="multipart").status_code == 415
    answer = client.get("/api/workflows/", headers={"Accept": "text/csv"})
    assert answer.status_code == 406
    assert errors(answer) == []


def test_the_ids_are_uuids(client_of: Clients) -> None:
    client = client_of("start_workflow")
    assert UUID(start(client)["id"])


# -- what nobody took, and senders that repeat themselves


def test_an_event_with_a_key_is_sent_once(client: APIClient) -> None:
    order = waiting_order(client)
    address = f"/api/workflows/{order}/events/"
    sent = [
        client.post(address, {"name": "note", "value": 1, "idempotency_key": "k"}, format="json"),
        client.post(address, {"name": "note", "value": 1}, format="json", headers={"Idempotency-Key": "k"}),
    ]
    assert [each.status_code for each in sent] == [202, 202]
    assert sent[0].json()["id"] == sent[1].json()["id"]
    other = client.post(address, {"name": "note", "value": 2, "idempotency_key": "k"}, format="json")
    assert other.status_code == 409
    assert "take another key" in other.json()["detail"]
    assert len(client.get(address).json()["results"]) == 1
    workflow.cancel(order)
    again = client.post(address, {"name": "note", "value": 1, "idempotency_key": "k"}, format="json")
    assert again.json()["id"] == sent[0].json()["id"]
    assert client.get(f"/api/workflows/{order}/").json()["untaken_events"] == {"note": 1}


def test_canceling_says_which_function_still_runs(client: APIClient) -> None:
    answers: list[Any] = []

    def cancels(workflow_id: UUID) -> None:
        address = f"/api/workflows/{workflow_id}/"
        answers.append(client.post(f"{address}cancel/", {}, format="json"))
        tag = {"If-None-Match": answers[0]["ETag"]}
        answers.extend([client.get(address), client.get(address, headers=tag)])

    address = f"/api/workflows/{amid_its_action(cancels)}/"
    runs = [{"number": 0, "name": "tests.app.steps.watch_for_cancel"}]
    canceled, seen, unchanged = answers
    assert (canceled.status_code, canceled.json()["state"], canceled.json()["still_running"]) == (200, "canceled", runs)
    assert seen.json()["still_running"] == runs
    assert unchanged.status_code == 304
    ended = client.get(address, headers={"If-None-Match": seen["ETag"]})
    assert (ended.status_code, ended.json()["still_running"]) == (200, [])
