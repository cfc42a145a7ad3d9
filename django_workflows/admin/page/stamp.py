"""A short text that changes whenever the page of a workflow would."""

from __future__ import annotations

import hashlib

from django.contrib.admin.models import LogEntry
from django.http import HttpRequest
from django.utils.translation import get_language

from ...conf import settings
from ...models import Workflow
from ...store import workers
from ...store.listings import moving_parts
from ...store.steps import still_running_of


def stamp(request: HttpRequest, workflow: Workflow) -> str:
    """Of the workflow's version, its open steps and children, its workers, the user and the language."""
    silence = workers.seconds_since_last_seen(workflow.queue)
    note = LogEntry.objects.filter(object_id=str(workflow.id)).order_by("-id").values_list("id", flat=True).first()
    user = request.user
    parts = (
        workflow.version,
        workflow.state,
        moving_parts(workflow.id),
        still_running_of(workflow),
        silence is None or silence >= settings.LEASE,
        note,
        user.pk,
        sorted(user.get_all_permissions()) if not user.is_superuser else "all",
        get_language(),
        request.GET.urlencode(),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
