"""Checks of what is defined: that each name means one workflow."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error

from ..core.registry import registry


def check_names(**kwargs: Any) -> list[CheckMessage]:
    """E019: two workflows of one name, of which neither can then be used."""
    return [
        Error(
            f"Two workflows are named {name!r}: {places}.",
            hint='Give one of them another name: @workflow.define(name="...").',
            id="django_workflows.E019",
        )
        for name, places in sorted(registry.duplicates.items())
    ]
