"""A deploy with workers of two versions at once: what the older ones have blocked resumes with the first newer one."""

from pathlib import Path

import pytest
from django.utils import timezone

from django_workflows.models import Workflow
from django_workflows.models.ids import uuid7
from tests.cluster import HARDENED, Cluster
from tests.promises import promise
from tests.waiting import wait_for

CODE = """
from tests.app.cluster_workflows import workflow

@workflow.define
async def deployed(step):
    {body}
    return "{result}"
"""
NAME = "deployed_by_a_test.deployed"


@pytest.fixture
def deploy(tmp_path: Path, cluster):
    """Start a cluster with a version of the code."""

    def start(version: str, body: str = "pass") -> Cluster:
        folder = tmp_path / version
        folder.mkdir()
        (folder / "deployed_by_a_test.py").write_text(CODE.format(body=body, result=version))
        return cluster(command=HARDENED, env={"PYTHONPATH": str(folder)})

    return start


def insert_start() -> None:
    """A start of what this process does not define."""
    now = timezone.now()
    Workflow.objects.create(id=uuid7(), name=NAME, args="{}", state="in_progress", created_at=now, due_at=now)


def blocked() -> bool:
    return Workflow.objects.exclude(blocked_message="").exists()


def test_an_unknown_definition_resumes_within_five_seconds_of_the_newer_worker(deploy, cluster) -> None:
    cluster(command=HARDENED)
    insert_start()
    wait_for(blocked)
    wait_for(lambda: Workflow.objects.filter(claimed_by="").exists())
    deploy("v2")
    with promise(5):
        wait_for(lambda: Workflow.objects.filter(state="completed").exists(), message="it did not resume")
    assert Workflow.objects.get().result == '"v2"'


def test_a_mismatch_resumes_though_workers_of_the_older_code_still_run(deploy) -> None:
    first = deploy("v1", "await step.sleep(2)")
    insert_start()
    wait_for(lambda: Workflow.objects.filter(steps__state="waiting").exists())
    first.stop()
    deploy("broken", 'await step.await_event("another")')
    wait_for(blocked)
    deploy("fixed", "await step.sleep(2)")
    with promise(5):
        wait_for(lambda: Workflow.objects.filter(state="completed").exists(), message="it did not resume")
    assert Workflow.objects.get().result == '"fixed"'
