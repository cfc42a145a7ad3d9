"""On a real cluster: a step cancels the workflow that it belongs to, with many others in flight."""

import pytest

from django_workflows import Canceled
from tests.app.cluster_workflows import canceling_itself, workflow
from tests.app.models import Effect
from tests.waiting import PATIENCE, wait_for


@pytest.mark.parametrize("force", [False, True], ids=["gracefully", "by force"])
def test_workflows_cancel_themselves(cluster, force: bool) -> None:
    cluster()
    kinds = ("mutation", "mutation, inline", "action")
    ids = [canceling_itself.start(kind, f"{kind} {n}", force) for n in range(10) for kind in kinds]
    wait_for(
        lambda: not workflow.list(state="in_progress").exists(),
        PATIENCE,
        message="some are still in progress",
    )
    assert [workflow.status(each) for each in ids] == [Canceled()] * len(ids)
    assert Effect.objects.count() == len(ids)  # each of them once, and nothing after it
