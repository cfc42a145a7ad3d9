"""What is stored, without the secrets that nobody should read over a shoulder; see ``MASKED_KEYS``."""

from __future__ import annotations

import json
from typing import Any

from ..conf import settings
from ..core.masking import Masking, masking_of


def _masking() -> Masking:
    return masking_of(tuple(settings.MASKED_KEYS))


def masked_value(value: Any) -> Any:
    """A decoded payload."""
    return _masking().value(value)


def masked_text(text: str) -> str:
    """A message or traceback."""
    return _masking().text(text)


def masked_json(text: str) -> str:
    """A payload's text, as it is stored where nothing of it is a secret."""
    try:
        decoded = json.loads(text)
    except (ValueError, RecursionError):
        return masked_text(text)
    masked = masked_value(decoded)
    return text if masked == decoded else json.dumps(masked, separators=(",", ":"))
