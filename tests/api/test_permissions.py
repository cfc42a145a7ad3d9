"""Who may do what: a matrix over every address of the router, the hook that hides workflows, and hidden payloads."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet
from django.urls import URLPattern
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.test import APIClient

from django_workflows.api import WorkflowViewSet
from django_workflows.api.urls import urlpatterns
from django_workflows.engine.advance import advance as engine_advance
from django_workflows.engine.worker import Worker
from django_workflows.models import Workflow
from django_workflows.store import steps as step_store
from django_workflows.store import workflows
from tests.api.conftest import ALL, Clients
from tests.app.api_workflows import echo, family, order, payment, quick, workflow
from tests.app.workflows import asks_approval, call, fails, sums
from tests.engine.driver import advance, finish, run

LOOKS, STARTS = {"view_workflow"}, {"start_workflow"}
#: What every action needs; one of them is enough. An action that is not here fails the test below.
NEEDED = {
    ("definition", "list"): LOOKS | STARTS,
    ("definition", "retrieve"): LOOKS | STARTS,
    ("", "health"): LOOKS,
    ("workflow", "list"): LOOKS,
    ("workflow", "retrieve"): LOOKS,
    ("workflow", "steps"): LOOKS,
    ("workflow", "events"): LOOKS,
    ("workflow", "timeline"): LOOKS,
    ("workflow", "stream"): LOOKS,
    ("workflow", "counts"): LOOKS,
    ("workflow", "create"): STARTS,
    ("workflow", "cancel"): {"cancel_workflow"},
    ("workflow", "restart"): {"restart_workflow"},
    ("workflow", "retry"): {"restart_workflow"},
    ("workflow", "send"): {"send_event"},
    ("workflow", "destroy"): {"cleanup_workflow"},
    ("", "root"): LOOKS | STARTS,
    ("", "schema_document"): LOOKS | STARTS,
}


#: The id of no workflow.
NOBODY = "019aa000-0000-7000-8000-000000000000"


def routes() -> list[tuple[str, str, str, str]]:
    """Address, method, basename and action of everything that is mounted."""
    found = []
    for pattern in urlpatterns:
        assert isinstance(pattern, URLPattern)
        basename = str((pattern.callback.initkwargs or {}).get("basename") or "")  # type: ignore[attr-defined]
        path = str(pattern.pattern)
        for source, value in (("(?P<pk>[^/]+)", NOBODY), ("(?P<name>[^/]+)", "tests.app.api_workflows.order")):
            path = path.replace(source, value)
        address = "/api/" + path.replace("^", "").replace(r"\.", ".").replace("\\Z", "").rstrip("$")
        if pattern.name == "hook":
            continue  # its token is its permission: test_hooks.py
        for method, action in pattern.callback.actions.items():  # type: ignore[attr-defined]
            if method != "head":
                found.append((address, method, basename, action))
    return found


ROUTES = routes()


def test_the_matrix_knows_every_route() -> None:
    assert {(basename, action) for _, _, basename, action in ROUTES} == set(NEEDED)
    assert len(ROUTES) == len(NEEDED)


@pytest.mark.parametrize(("address", "method", "basename", "action"), ROUTES)
def test_each_route_wants_its_permission(
    client_of: Clients, address: str, method: str, basename: str, action: str
) -> None:
    def code(client: APIClient) -> int:
        return int(getattr(client, method)(address, {}, format="json").status_code)

    needed = NEEDED[basename, action]
    assert code(APIClient()) in (401, 403)
    assert code(client_of()) == 403
    assert code(client_of(is_staff=True)) == 403
    assert code(client_of(*(set(ALL) - needed))) == 403
    assert code(client_of(*ALL, is_active=False)) == 403
    for permission in needed:
        assert code(client_of(permission)) not in (401, 403)
    assert code(client_of(is_superuser=True)) not in (401, 403)


def test_metadata_is_closed_too(client_of: Clients) -> None:
    for address, _, _, _ in ROUTES:
        assert APIClient().options(address).status_code in (401, 403)
        assert client_of().options(address).status_code == 403
        assert client_of(*ALL).options(address).status_code == 200


def test_a_session_needs_its_csrf_token(client_of: Clients) -> None:
    from tests.api.conftest import make_user

    user = make_user(*ALL)
    client = APIClient(enforce_csrf_checks=True)
    assert client.login(username=user.username, password="x")
    answer = client.post("/api/workflows/", {"name": "tests.app.api_workflows.quick"}, format="json")
    assert answer.status_code == 403
    assert "CSRF" in answer.json()["detail"]
    assert client.get("/api/workflows/").status_code == 200


# -- which workflows there are

#: What the step of a child is called.
steps_add = b"tests.app.steps.add"


def only_quick(request: Request, queryset: QuerySet[Workflow]) -> QuerySet[Workflow]:
    assert not isinstance(request.user, AnonymousUser)
    return queryset.filter(name=echo.name)


def test_the_hook_makes_others_not_exist(client_of: Clients, settings: Any) -> None:
    hidden, shown = sums.start([1]), echo.start("x")
    finish(hidden)
    finish(shown)
    settings.DJANGO_WORKFLOWS = {"API_VISIBLE": "tests.api.test_permissions.only_quick"}
    client = client_of(*ALL)
    for address, method, _, action in ROUTES:
        if action in ("create", "list", "counts", "root", "schema_document", "health") or "definitions" in address:
            continue
        parts = address.split("/")
        parts[3] = str(hidden)
        answer = getattr(client, method)("/".join(parts), {}, format="json")
        assert answer.status_code == 404, (address, method)
        assert answer.json() == {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": f"there is no workflow {hidden} (never started, rolled back, or cleaned up)",
            "code": "WorkflowNotFound",
        }
    assert [row["id"] for row in client.get("/api/workflows/").json()["results"]] == [str(shown)]
    assert client.get("/api/workflows/counts/").json()["total"] == 1
    assert client.get(f"/api/workflows/{shown}/").status_code == 200
    assert Workflow.objects.filter(pk=hidden).exists()


def all_but_quick(request: Request, queryset: QuerySet[Workflow]) -> QuerySet[Workflow]:
    return queryset.exclude(name=quick.name)


def all_but_families(request: Request, queryset: QuerySet[Workflow]) -> QuerySet[Workflow]:
    return queryset.exclude(name=family.name)


def test_children_that_do_not_exist_for_somebody_are_not_named(client_of: Clients, settings: Any) -> None:
    parent = family.start([1])
    finish(parent)
    hidden, shown = Workflow.objects.get(name=quick.name), Workflow.objects.get(name=echo.name)
    client = client_of(*ALL)
    everything = client.get(f"/api/workflows/{parent}/timeline.svg").content
    assert steps_add in everything
    settings.DJANGO_WORKFLOWS = {"API_VISIBLE": all_but_quick}
    found = client.get(f"/api/workflows/{parent}/steps/").json()["results"]
    assert [step["child"] for step in found] == [None, str(shown.pk)]
    for address in ("", "steps/", "events/", "timeline.svg"):
        assert str(hidden.pk) not in client.get(f"/api/workflows/{parent}/{address}").content.decode()
    assert steps_add not in client.get(f"/api/workflows/{parent}/timeline.svg").content
    assert client.get(f"/api/workflows/?parent={parent}").json()["results"][0]["id"] == str(shown.pk)


def test_a_parent_that_does_not_exist_for_somebody_is_not_named(client_of: Clients, settings: Any) -> None:
    parent = family.start([1])
    finish(parent)
    child = Workflow.objects.get(name=quick.name)
    client = client_of(*ALL)
    assert client.get(f"/api/workflows/{child.pk}/").json()["parent"] == str(parent)
    settings.DJANGO_WORKFLOWS = {"API_VISIBLE": all_but_families}
    one = client.get(f"/api/workflows/{child.pk}/").json()
    listed = [row for row in client.get("/api/workflows/").json()["results"] if row["id"] == str(child.pk)]
    for row in [one, *listed]:
        assert (row["parent"], row["parent_step"]) == (None, None)
        assert "parent" not in row["links"]
        assert str(parent) not in json.dumps(row)
    assert len(listed) == 1
    assert client.get(f"/api/workflows/?parent={parent}").json()["results"] == []


def test_a_stream_names_nobody_who_does_not_exist(client_of: Clients, settings: Any) -> None:
    from django_workflows.api.documents import View
    from django_workflows.api.streams.reports import read_report
    from django_workflows.api.streams.sending import events_of

    parent = family.start([1, 2])
    finish(parent)
    hidden = {*Workflow.objects.filter(name=quick.name).values_list("pk", flat=True)}
    parts = events_of(read_report(parent, None), View(payloads=True), {}, lambda ids: ids - hidden)
    said = b"".join(parts).decode()
    assert not [each for each in hidden if str(each) in said]
    assert str(Workflow.objects.get(name=echo.name).pk) in said


def test_events_of_what_cannot_be_started_from_outside_are_in_no_schema(client_of: Clients) -> None:
    said = client_of("start_workflow").get("/api/schema/").content.decode()
    assert "api payment" in said
    assert "hidden approval" not in said


def test_a_key_of_somebody_else_is_taken(client_of: Clients, settings: Any) -> None:
    body = {"name": "tests.app.api_workflows.quick", "idempotency_key": "k"}
    client = client_of(*ALL)
    assert client.post("/api/workflows/", body, format="json").status_code == 201
    settings.DJANGO_WORKFLOWS = {"API_VISIBLE": only_quick}
    answer = client.post("/api/workflows/", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "links" not in answer.json()


def hold_up() -> UUID:
    workflow_id = call.start("action", "no_op", {}, {})
    worker = Worker()
    turn = workflows.claim_turn("", worker.id)
    assert turn is not None
    engine_advance(turn, None)
    step = step_store.claim("", worker.id)
    assert step is not None
    worker.begin(step)
    order.start([])
    advance(61)
    worker.beat()
    return workflow_id


def fail_and_block() -> UUID:
    for _ in range(10):
        fails.start()
    for _ in range(20):
        call.start("action", "decline", {"card": "x"}, {"retry": True})
    workflow_id = asks_approval.start()
    run()
    Workflow.objects.filter(pk=workflow_id).update(blocked_message="x", blocked_reason="code_mismatch")
    return workflow_id


@pytest.mark.parametrize(
    ("bring_about", "wanted"), [(fail_and_block, {"failing", "retrying", "blocked"}), (hold_up, {"long_steps"})]
)
def test_health_names_nothing_that_somebody_may_not_see(
    client_of: Clients, settings: Any, bring_about: Callable[[], UUID], wanted: set[str]
) -> None:
    bring_about()
    client = client_of("view_workflow")
    names = {*Workflow.objects.values_list("name", flat=True), "decline", "no_op"}
    names |= {str(each) for each in Workflow.objects.values_list("id", flat=True)}
    before = client.get("/api/health/").json()
    assert wanted <= {each["code"] for each in before["problems"]}
    assert [name for name in names if name in str(before)]
    settings.DJANGO_WORKFLOWS = {"API_VISIBLE": only_quick}
    after = client.get("/api/health/").json()
    assert [each["code"] for each in after["problems"]] == [each["code"] for each in before["problems"]]
    assert [name for name in names if name in str(after)] == []


LONG = "k" * 199 + "1"


@pytest.mark.parametrize("key", ["order-17", LONG, "user 1", "k (user 1)"])
def test_each_user_has_keys_of_their_own(client_of: Clients, key: str) -> None:
    body = {"name": quick.name, "idempotency_key": key}
    one, other = client_of(*ALL), client_of(*ALL)
    first = one.post("/api/workflows/", body, format="json")
    second = other.post("/api/workflows/", {"name": quick.name}, format="json", headers={"Idempotency-Key": key})
    assert (first.status_code, second.status_code) == (201, 201)
    assert len({first.json()["id"], second.json()["id"], str(quick.with_options(idempotency_key=key).start())}) == 3
    again = one.post("/api/workflows/", body, format="json")
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    other_end = {**body, "idempotency_key": key[:-1] + "2"}
    assert one.post("/api/workflows/", other_end, format="json").status_code == 201
    shown = one.get(f"/api/workflows/{first.json()['id']}/").json()["idempotency_key"]
    assert shown == key or (key == LONG and shown.startswith("k" * 100))
    assert "user" not in shown.replace(key, "")


def test_those_without_a_login_share_their_keys(settings: Any) -> None:
    settings.DJANGO_WORKFLOWS = {"API_PERMISSION_CLASSES": [Anybody]}
    body = {"name": quick.name, "idempotency_key": "k"}
    answers = [APIClient().post("/api/workflows/", body, format="json") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert len({answer.json()["id"] for answer in answers}) == 1


class Anybody(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        return True


def test_an_override_of_the_start_may_say_more(client_of: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = WorkflowViewSet.perform_start
    monkeypatch.setattr(
        WorkflowViewSet,
        "perform_start",
        lambda self, definition, args, options: whole(self, definition, args, options.derive(priority=5)),
    )
    body = {"name": quick.name, "idempotency_key": "k"}
    answer = client_of(*ALL).post("/api/workflows/", body, format="json")
    assert (answer.status_code, answer.json()["idempotency_key"]) == (201, "k")


def test_whether_there_is_an_event_of_others_is_not_told(client_of: Clients) -> None:
    own, other = order.start([]), order.start([])
    run()
    client, event_id = client_of(*ALL), workflow.create_event(other, "api payment")
    answers = []
    for each in (event_id, uuid4()):
        answer = client.post(f"/api/workflows/{own}/events/", {"event_id": str(each), "value": 1}, format="json")
        assert answer.status_code == 404
        answers.append(answer.content.decode().replace(str(each), "ID"))
    assert answers[0] == answers[1]


def test_one_who_may_start_sees_what_was_started(client_of: Clients) -> None:
    answer = client_of("start_workflow").post(
        "/api/workflows/", {"name": echo.name, "args": {"value": 1}}, format="json"
    )
    assert answer.status_code == 201
    assert answer.json()["state"] == "in_progress"
    assert answer.json()["args"] is None


# -- payloads

SECRET = "the content of the order"


def test_payloads_are_for_those_who_may_see_them(client_of: Clients) -> None:
    paid = order.start([{"name": SECRET}])  # type: ignore[list-item]
    run()
    workflow.send_event(paid, payment, {"kind": "refused", "reason": SECRET})
    finish(paid)
    failed = fails.start(SECRET)
    finish(failed)
    echoed = echo.start({"x": SECRET})
    finish(echoed)
    without, with_it = client_of("view_workflow", "cancel_workflow", "restart_workflow"), client_of(*ALL)
    seen = 0
    for workflow_id in (paid, failed, echoed):
        for path in ("", "steps/", "events/", "timeline.svg"):
            address = f"/api/workflows/{workflow_id}/{path}"
            assert SECRET not in without.get(address).content.decode()
            seen += SECRET in with_it.get(address).content.decode()
    assert seen == 3 + 2 + 1  # args, result or error; steps; the event
    assert SECRET not in without.get("/api/workflows/").content.decode()
    restarted = without.post(f"/api/workflows/{failed}/restart/")
    assert restarted.status_code == 202
    assert SECRET not in restarted.content.decode()
    body = without.get(f"/api/workflows/{echoed}/").json()
    assert (body["args"], body["result"], body["status"]) == (None, None, {"type": "completed", "result": None})
    tags = {client.get(f"/api/workflows/{echoed}/").headers["ETag"] for client in (without, with_it)}
    assert len(tags) == 2


def test_secret_keys_are_masked(client: APIClient) -> None:
    found = echo.start({"API-Key": "hush", "deep": [{"user": "me", "Authorization": "hush"}]}, password="hush")
    finish(found)
    for path in ("", "steps/"):
        text = client.get(f"/api/workflows/{found}/{path}").content.decode()
        assert "hush" not in text
        assert "********" in text
    assert client.get(f"/api/workflows/{found}/").json()["args"]["value"]["deep"][0]["user"] == "me"


def test_half_a_surrogate_pair_in_a_journal_is_shown(client: APIClient) -> None:
    found = echo.start("\ud800")
    finish(found)
    answer = client.get(f"/api/workflows/{found}/")
    assert answer.status_code == 200
    assert json.loads(answer.content)["result"] == "\ud800"


# -- how often


def test_rates_by_scope(client_of: Clients, settings: Any) -> None:
    settings.DJANGO_WORKFLOWS = {"API_THROTTLE_RATES": {"start": "2/minute", "read": "3/minute"}}
    client, other = client_of(*ALL), client_of(*ALL)
    body = {"name": "tests.app.api_workflows.quick"}
    codes = [client.post("/api/workflows/", body, format="json").status_code for _ in range(3)]
    assert codes == [201, 201, 429]
    refused = client.post("/api/workflows/", body, format="json")
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert other.post("/api/workflows/", body, format="json").status_code == 201
    assert [client.get("/api/workflows/").status_code for _ in range(4)] == [200, 200, 200, 429]
    assert client.post(f"/api/workflows/{uuid4()}/cancel/").status_code == 404


def test_each_user_has_keys_of_their_own_for_events(client_of: Clients) -> None:
    found = order.start([])
    run()
    body = {"name": "other", "value": 1, "idempotency_key": "k"}
    one, other = client_of(*ALL), client_of(*ALL)
    sent = [user.post(f"/api/workflows/{found}/events/", body, format="json") for user in (one, other, one)]
    assert [answer.status_code for answer in sent] == [202, 202, 202]
    ids = [answer.json()["id"] for answer in sent]
    assert ids[0] == ids[2] != ids[1]
    changed = {**body, "value": 2}
    refused = one.post(f"/api/workflows/{found}/events/", changed, format="json")
    assert refused.status_code == 409
    assert "'k'" in refused.json()["detail"]
