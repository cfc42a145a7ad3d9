"""Finds handler code that would not do the same again on replay, by reading its source."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage


def check_handlers(**kwargs: Any) -> list[CheckMessage]:
    return []
