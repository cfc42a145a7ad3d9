"""The pages that follow an approval through the REST API, and the part of it that is open to everybody."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from django.test import Client

from django_workflows.checks.api import check_api
from django_workflows.testing import WorkflowTester
from example_project.approvals import steps
from example_project.approvals.views import decide, start_confirmation
from tests.app.workflows import sums

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting(workflows: WorkflowTester) -> Iterator[UUID]:
    workflows.fake(steps.write_proposals, returns=["one", "two", "three"])
    workflow_id = start_confirmation("tea")
    workflows.run()
    return workflow_id


def test_everybody_may_look_at_approvals_and_at_nothing_else(
    client: Client, workflows: WorkflowTester, waiting: UUID
) -> None:
    other = sums.start([1])
    body = client.get(f"/follow/api/workflows/{waiting}/").json()
    assert body["status"] == {"type": "in_progress", "running": ["approval"]}
    assert body["args"] is None
    assert body["links"]["self"].endswith(f"/follow/api/workflows/{waiting}/")
    assert [row["id"] for row in client.get("/follow/api/workflows/").json()["results"]] == [str(waiting)]
    assert client.get(f"/follow/api/workflows/{other}/").status_code == 404
    for path in ("cancel", "restart", "events"):
        assert client.post(f"/follow/api/workflows/{waiting}/{path}/").status_code == 405
    assert client.delete(f"/follow/api/workflows/{waiting}/").status_code == 405
    assert client.post("/follow/api/workflows/", {}, content_type="application/json").status_code == 405
    assert client.get(f"/api/workflows/{waiting}/").status_code == 403


def test_the_pages(client: Client, waiting: UUID) -> None:
    assert f"/follow/{waiting}/?by=stream" in client.get("/follow/").text
    polls = client.get(f"/follow/{waiting}/").text
    assert f'data-workflow="/follow/api/workflows/{waiting}/" data-stream=""' in polls
    streams = client.get(f"/follow/{waiting}/?by=stream").text
    assert f'data-stream="/follow/api/workflows/{waiting}/stream/"' in streams
    for page in (polls, streams):
        for inline in ("<style", "style=", "onclick", "<script>"):
            assert inline not in page


def test_the_check_finds_nothing_open() -> None:
    assert check_api() == []


def test_a_page_as_the_script_reads_it(client: Client, workflows: WorkflowTester, waiting: UUID) -> None:
    """The requests that follow.js makes, in their order."""
    address = f"/follow/api/workflows/{waiting}/"
    first = client.get(address)
    assert [wait["name"] for wait in first.json()["waiting_for"]] == ["approval"]
    same = client.get(address, {"wait": "0.1"}, headers={"If-None-Match": first.headers["ETag"]})
    assert same.status_code == 304
    decide(waiting, "approve", choice="1")
    workflows.run()
    changed = client.get(address, {"wait": "20"}, headers={"If-None-Match": first.headers["ETag"]})
    assert (changed.status_code, changed.json()["state"]) == (200, "completed")
    assert client.get(f"{address}stream/").status_code == 501
