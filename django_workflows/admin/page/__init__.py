"""One workflow: how it stands, why it waits, what can be done, and everything that happened."""

from __future__ import annotations

from .view import download, live, page, timeline_svg

__all__ = ["download", "live", "page", "timeline_svg"]
