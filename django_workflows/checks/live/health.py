"""What health finds, as check messages: workers, queues, blocked and lost workflows, clocks."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import CheckMessage, Error, Warning

from ...core.health import CRITICAL
from ...engine.health import check_health


def check_journal() -> Iterator[CheckMessage]:
    """Of critical problems E038, of others W039; each begins with health's own code for it."""
    health = check_health(thorough=True)
    for problem in health.problems:
        ids = {"blocked": health.blocked_ids, "lost": health.lost or ()}.get(problem.code, ())
        named = f" They are: {', '.join(map(str, ids))}." if ids else ""
        message = f"{problem.code}: {problem.message}{named}"
        if problem.severity == CRITICAL:
            yield Error(message, hint=problem.hint, id="django_workflows.E038")
        else:
            yield Warning(message, hint=problem.hint, id="django_workflows.W039")
