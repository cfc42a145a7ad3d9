"""Long polls and event streams, from outside: a real ASGI server, and httpx."""

import asyncio
import base64
import json
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.db import connection
from rest_framework.test import APIClient

from django_workflows.store import listening
from tests.api.conftest import ALL, Clients, make_user
from tests.api.server import Server
from tests.app.api_workflows import order, payment, quick, workflow
from tests.app.workflows import asks_approval, sums
from tests.cluster import Cluster
from tests.engine.driver import finish, run
from tests.promises import promise
from tests.waiting import PATIENCE, wait_for

STREAMS = 3


@pytest.fixture(scope="module")
def server(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any) -> Iterator[Server]:
    with django_db_blocker.unblock():
        started = Server(
            tmp_path_factory.mktemp("server") / "server.log",
            {"API_MAX_STREAMS": STREAMS, "API_STREAM_SECONDS": 60, "API_MAX_WAIT": 20},
        )
    yield started
    started.close()


@pytest.fixture
def outside(server: Server) -> Iterator[httpx.Client]:
    """A client of a user who may do everything."""
    user = make_user(*ALL)
    with httpx.Client(base_url=f"{server.url}/api/", auth=(user.username, "x"), timeout=PATIENCE) as client:
        yield client


class Stream:
    """Reads a stream in a thread: ``events`` are name, data and id of each."""

    def __init__(self, client: httpx.Client, path: str, **headers: str) -> None:
        self.events: list[tuple[str, Any, str | None]] = []
        self.code: int | None = None
        self.ended = False
        self.stop = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(client, path, headers))
        self._thread.start()

    def _read(self, client: httpx.Client, path: str, headers: dict[str, str]) -> None:
        with client.stream("GET", path, headers={"Accept": "text/event-stream", **headers}) as answer:
            self.headers = answer.headers
            self.code = answer.status_code
            event: dict[str, str] = {}
            for line in answer.iter_lines():
                if self.stop.is_set():
                    return
                key, _, value = line.partition(": ")
                event[key] = value
                if not line:
                    if "event" in event:
                        self.events.append((event["event"], json.loads(event["data"]), event.get("id")))
                    event = {}
        self.ended = True

    def names(self) -> list[str]:
        return [name for name, _, _ in self.events]

    def wait_for(self, condition: Callable[[], Any], timeout: float = PATIENCE) -> Any:
        return wait_for(condition, timeout, message=f"events so far: {self.names()}, answered {self.code}")

    def join(self) -> None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


def test_a_stream_from_beginning_to_end(outside: httpx.Client) -> None:
    found = order.start([])
    stream = Stream(outside, f"workflows/{found}/stream/")
    stream.wait_for(lambda: stream.events)
    assert stream.headers["content-type"] == "text/event-stream"
    assert "no-cache" in stream.headers["cache-control"]
    assert stream.events[0][0] == "workflow"
    assert stream.events[0][1]["status"] == {"type": "in_progress", "running": []}
    run()
    stream.wait_for(lambda: [data for name, data, _ in stream.events if data.get("kind") == "event"])
    workflow.send_event(found, payment, {"kind": "paid", "amount": 2})
    run()
    stream.wait_for(lambda: stream.ended)
    stream.join()
    name, last, identity = stream.events[-1]
    assert (name, last["result"]) == ("end", {"total": 0, "paid": 2})
    assert identity
    steps = {data["number"]: data for name, data, _ in stream.events if name == "step"}
    assert [step["state"] for step in steps.values()] == ["completed", "completed"]
    assert last == outside.get(f"workflows/{found}/").json()


def test_a_stream_goes_on_where_it_was_left(outside: httpx.Client) -> None:
    found = sums.start([1, 2, 3])
    stream = Stream(outside, f"workflows/{found}/stream/")
    identity = stream.wait_for(lambda: [each[2] for each in stream.events if each[2]])[-1]
    finish(found)
    stream.join()
    again = Stream(outside, f"workflows/{found}/stream/", **{"Last-Event-ID": identity})
    again.join()
    assert {data["number"] for name, data, _ in again.events if name == "step"} == {0, 1, 2}
    assert again.names()[-1] == "end"
    last = Stream(outside, f"workflows/{found}/stream/", **{"Last-Event-ID": again.events[-1][2] or ""})
    last.join()
    assert last.names()[-1] == "end"
    for nonsense in ("x", "1.2", "999.999.999", "1.1.99999999999999999"):
        odd = Stream(outside, f"workflows/{found}/stream/", **{"Last-Event-ID": nonsense})
        odd.join()
        assert (odd.code, odd.names()[-1]) == (200, "end")


def test_nothing_new_is_not_told_again(outside: httpx.Client) -> None:
    found = asks_approval.start()
    run()
    stream = Stream(outside, f"workflows/{found}/stream/")
    identity = stream.wait_for(lambda: [each[2] for each in stream.events if each[2]])[-1]
    again = Stream(outside, f"workflows/{found}/stream/", **{"Last-Event-ID": identity})
    again.wait_for(lambda: again.code == 200)
    workflow.cancel(found)
    stream.join()
    again.join()
    assert [data["state"] for name, data, _ in again.events if name == "workflow"] == ["canceled"]


def test_a_workflow_that_is_deleted_ends_its_stream(outside: httpx.Client) -> None:
    found = quick.start()
    stream = Stream(outside, f"workflows/{found}/stream/")
    stream.wait_for(lambda: stream.events)
    from django_workflows.models import Workflow

    Workflow.objects.filter(pk=found).delete()
    stream.join()
    assert stream.events[-1][:2] == ("end", {"deleted": True})


def test_so_many_streams_and_no_more(outside: httpx.Client) -> None:
    found = asks_approval.start()
    run()
    streams = [Stream(outside, f"workflows/{found}/stream/") for _ in range(STREAMS)]
    for stream in streams:
        stream.wait_for(lambda stream=stream: stream.events)
    refused = outside.get(f"workflows/{found}/stream/")
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert refused.headers["Retry-After"]
    streams[0].stop.set()  # its client goes away at the next event
    workflow.create_event(found, "something")
    streams[0].join()
    other = wait_for(lambda: _accepted(outside, f"workflows/{found}/stream/"))
    workflow.cancel(found)
    for stream in [*streams[1:], other]:
        stream.join()
        assert stream.names()[-1] == "end"


def _accepted(client: httpx.Client, path: str) -> Stream | None:
    stream = Stream(client, path)
    stream.wait_for(lambda: stream.code is not None)
    if stream.code == 200:
        return stream
    stream.join()
    return None


def hang_up_soon(address: str, head: str, after: float) -> None:
    """Open a connection, ask, and break it: with a reset, as a browser tab does that is closed."""
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port), PATIENCE) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.sendall(head.encode())
        threading.Event().wait(after)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_whoever_hangs_up_at_once_keeps_no_place(server: Server, outside: httpx.Client, method: str) -> None:
    found = asks_approval.start()
    run()
    user = make_user(*ALL)
    credentials = base64.b64encode(f"{user.username}:x".encode()).decode()
    head = (
        f"{method} /api/workflows/{found}/stream/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n"
        f"Authorization: Basic {credentials}\r\n\r\n"
    )
    chance = random.Random(27)
    for _ in range(200):
        hang_up_soon(server.url, head, chance.choice([0.0, 0.002, 0.005, 0.01, 0.02, 0.03]))
    streams = [wait_for(lambda: _accepted(outside, f"workflows/{found}/stream/")) for _ in range(STREAMS)]
    for stream in streams:
        stream.wait_for(lambda stream=stream: stream.events)
    workflow.cancel(found)
    for stream in streams:
        stream.join()
    assert [stream.names()[-1] for stream in streams] == ["end"] * STREAMS


def test_a_generator_that_never_begins_has_no_place() -> None:
    from django_workflows.api.streams.hub import Hub
    from django_workflows.api.streams.reports import read_report
    from django_workflows.api.streams.sending import stream

    found, hub = quick.start(), Hub()
    first = read_report(found, None)
    for _ in range(3):
        stream(hub, first, lambda report: [], begin_with_it=True)
    assert hub.open_streams == 0


def test_those_who_come_together_and_find_no_place_are_told_to_come_again(settings: Any) -> None:
    from django_workflows.api.streams.hub import Hub
    from django_workflows.api.streams.reports import read_report
    from django_workflows.api.streams.sending import stream

    settings.DJANGO_WORKFLOWS = {"API_MAX_STREAMS": 1}
    hub, first = Hub(), read_report(quick.start(), None)

    async def both() -> tuple[list[bytes], int, int]:
        parts = stream(hub, first, lambda report: [], begin_with_it=True)
        await anext(parts)
        other = [part async for part in stream(hub, first, lambda report: [], begin_with_it=True)]
        open_now = hub.open_streams
        await parts.aclose()  # type: ignore[attr-defined]
        return other, open_now, hub.open_streams

    assert asyncio.run(both()) == ([b"retry: 3000\n\n"], 1, 0)


def test_what_takes_long_to_write_holds_up_nobody_else() -> None:
    from django_workflows.api.streams.hub import Hub
    from django_workflows.api.streams.reports import read_report
    from django_workflows.api.streams.sending import stream

    hub, first, may_end = Hub(), read_report(quick.start(), None), threading.Event()

    def render(report: Any) -> list[bytes]:
        assert may_end.wait(PATIENCE), "the event loop stood still"
        return [b"written"]

    async def other_work() -> list[bytes]:
        parts = stream(hub, first, render, begin_with_it=True)
        await anext(parts)
        slow = asyncio.ensure_future(anext(parts))
        await asyncio.sleep(0)  # others go on
        may_end.set()
        found = [await slow]
        await parts.aclose()  # type: ignore[attr-defined]
        return found

    assert asyncio.run(other_work()) == [b"written"]


def test_all_who_follow_share_what_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    from django_workflows.api.documents import View
    from django_workflows.api.streams import reports
    from django_workflows.api.streams.sending import events_of
    from django_workflows.store.glances import glance

    found, made = quick.start(1), []
    finish(found)
    whole = reports.status_document

    def counted(*args: Any) -> Any:
        made.append(args)
        return whole(*args)

    monkeypatch.setattr(reports, "status_document", counted)
    opened = [reports.first_report(found, glance([found])[found]) for _ in range(5)]
    sent = [
        events_of(report, View(payloads=payloads), {"links": {}}, lambda ids: ids)
        for report in opened
        for payloads in (True, False)
    ]
    assert len(made) == 2, "once for those who may see payloads, once for the others"
    assert len(sent) == 10
    assert {len(parts) for parts in sent} == {3}


def test_a_stream_is_closed_to_others(server: Server) -> None:
    found = asks_approval.start()
    answer = httpx.get(
        f"{server.url}/api/workflows/{found}/stream/", timeout=PATIENCE, headers={"Accept": "text/event-stream"}
    )
    assert answer.status_code in (401, 403)
    assert answer.headers["content-type"] == "application/problem+json"
    user = make_user("start_workflow")
    answer = httpx.get(f"{server.url}/api/workflows/{found}/stream/", timeout=PATIENCE, auth=(user.username, "x"))
    assert answer.status_code == 403


def test_under_wsgi_the_long_poll_is_named(client: APIClient) -> None:
    found = asks_approval.start()
    answer = client.get(f"/api/workflows/{found}/stream/", headers={"Accept": "text/event-stream"})
    assert answer.status_code == 501
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert f"/api/workflows/{found}/?wait=20" in answer.json()["detail"]


def test_payloads_of_a_stream(server: Server) -> None:
    found = quick.start(41)
    finish(found)
    user = make_user("view_workflow")
    with httpx.Client(base_url=f"{server.url}/api/", auth=(user.username, "x"), timeout=PATIENCE) as client:
        stream = Stream(client, f"workflows/{found}/stream/")
        stream.join()
    assert stream.names() == ["workflow", "step", "end"]
    assert "42" not in json.dumps([data["result"] for _, data, _ in stream.events])


# -- long polls


def in_a_while(seconds: float, act: Callable[[], Any]) -> threading.Timer:
    def do() -> None:
        try:
            act()
        finally:
            connection.close()

    timer = threading.Timer(seconds, do)
    timer.start()
    return timer


def test_a_long_poll_ends_with_the_workflow(outside: httpx.Client) -> None:
    found = quick.start(1)
    timer = in_a_while(0.3, run)
    with promise(15):
        answer = outside.get(f"workflows/{found}/?wait=20")
    assert answer.json()["status"] == {"type": "completed", "result": 2}
    timer.join()


def test_a_long_poll_ends_with_a_change(outside: httpx.Client) -> None:
    found = asks_approval.start()
    run()
    tag = outside.get(f"workflows/{found}/").headers["ETag"]
    began = time.monotonic()
    same = outside.get(f"workflows/{found}/?wait=0.3", headers={"If-None-Match": tag})
    assert (same.status_code, same.headers["ETag"]) == (304, tag)
    assert time.monotonic() - began >= 0.3
    timer = in_a_while(0.3, lambda: workflow.create_event(found, "x"))
    changed = outside.get(f"workflows/{found}/?wait=20", headers={"If-None-Match": tag})
    assert (changed.status_code, changed.json()["state"]) == (200, "in_progress")
    assert changed.headers["ETag"] != tag
    timer.join()


def test_progress_is_a_change(outside: httpx.Client) -> None:
    from django_workflows.models import Step

    found = quick.start()
    Step.objects.create(
        workflow_id=found, number=0, kind="action", name="s", args="{}", state="running", attempt=1,
        created_at="2026-01-01T00:00:00Z", queued_at="2026-01-01T00:00:00Z", progress="[1, 4, \"a\"]",
    )  # fmt: skip
    first = outside.get(f"workflows/{found}/")
    assert first.json()["progress"] == {"s": {"done": 1, "total": 4, "message": "a"}}
    Step.objects.update(progress='[2, 4, "b"]')
    again = outside.get(f"workflows/{found}/", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 200


def test_too_many_long_polls_are_answered_at_once(client: APIClient, settings: Any) -> None:
    from django_workflows.api.polling import places

    settings.DJANGO_WORKFLOWS = {"API_MAX_WAITING": 1}
    found = asks_approval.start()
    with places.one() as got:
        assert got
        with promise(5):
            assert client.get(f"/api/workflows/{found}/?wait=20").status_code == 200


def test_a_longer_wait_than_allowed_is_cut(client: APIClient, settings: Any) -> None:
    settings.DJANGO_WORKFLOWS = {"API_MAX_WAIT": 0.2}
    found = asks_approval.start()
    with promise(5):
        assert client.get(f"/api/workflows/{found}/?wait=100000").status_code == 200


# -- with a cluster


def test_an_outside_client_with_a_real_cluster(outside: httpx.Client, cluster: Callable[..., Cluster]) -> None:
    cluster(workflows={"LEASE": 4})
    started = outside.post(
        "workflows/",
        json={"name": "tests.app.api_workflows.order", "args": {"items": [{"name": "tea"}]}},
        headers={"Idempotency-Key": "order-17"},
    )
    assert started.status_code == 201
    address = started.headers["Location"]
    stream = Stream(outside, started.json()["links"]["stream"])
    tag = started.headers["ETag"]
    body = started.json()
    while not any(wait["kind"] == "event" for wait in body["waiting_for"]):
        answer = outside.get(f"{address}?wait=20", headers={"If-None-Match": tag})
        if answer.status_code == 200:
            body, tag = answer.json(), answer.headers["ETag"]
    paid = outside.post(
        body["links"]["events"],
        json={"name": "api payment", "value": {"kind": "paid", "amount": 3}},
        headers={"If-Match": tag},
    )
    assert paid.status_code == 202, paid.text
    ended = outside.get(f"{address}?wait=20").json()
    assert ended["status"] == {"type": "completed", "result": {"total": 1, "paid": 3}}
    stream.join()
    assert stream.events[-1][1]["result"] == {"total": 1, "paid": 3}
    assert outside.get("health/").json()["ok"] is True
    assert outside.delete(address).status_code == 204


@pytest.mark.postgres
def test_workers_tell_of_changes_only_while_somebody_listens(client_of: Clients) -> None:
    from django_workflows.engine.worker import Worker

    def followed() -> bool:
        worker = Worker()
        worker.beat()
        return bool(listening.telling())

    wait_for(lambda: not followed(), message="streams of other tests are watched for a moment after their end")
    listener = connection.copy()
    with listener.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock_shared(%s, %s)", listening._LOCK)
        cursor.execute(f"LISTEN {listening.CHANNELS[1]}")
        try:
            assert followed()
            found = sums.start([1, 2])
            finish(found)
            heard = {notice.payload for notice in listener.connection.notifies(timeout=5, stop_after=1)}
            assert heard == {str(found)}
        finally:
            listener.close()
    wait_for(lambda: not followed())
