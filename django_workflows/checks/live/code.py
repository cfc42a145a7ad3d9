"""Whether this code knows the workflows that are in progress."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import CheckMessage, Warning

from ...core.registry import registry
from ...store.names import names_in_progress


def check_definitions() -> Iterator[CheckMessage]:
    """W036: workflows in progress whose definition this code does not have; W037: it has none at all."""
    unknown = [name for name in names_in_progress() if registry.get(name) is None]
    if unknown:
        yield Warning(
            f"Workflows are in progress that this code does not define: {', '.join(unknown[:10])}"
            f"{f' and {len(unknown) - 10} more' if len(unknown) > 10 else ''}.",
            hint="They wait until code is deployed that defines them: @workflow.define(name=...) keeps a name.",
            id="django_workflows.W036",
        )
    if not list(registry):
        yield Warning(
            "No workflow is defined.",
            hint="Define one with @workflow.define in the workflows.py of an app in INSTALLED_APPS.",
            id="django_workflows.W037",
        )
