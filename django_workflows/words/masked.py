"""What is stored, without the secrets that nobody should read over a shoulder; see ``MASKED_KEYS``."""

from __future__ import annotations

from typing import Any

from ..conf import settings
from ..core.masking import Masking, masking_of


def masking() -> Masking:
    """That of this project."""
    return masking_of(settings.MASKED_KEYS)


def masked_value(value: Any) -> Any:
    """A decoded payload."""
    return masking().value(value)


def masked_text(text: str) -> str:
    """A message or traceback."""
    return masking().text(text)


def masked_json(text: str) -> str:
    """A payload's text, as it is stored where nothing of it is a secret."""
    return masking().json(text) or ""
