"""The colours of a timeline's picture."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Theme:
    """Each as CSS writes it. Shapes differ too: nothing is told by colour alone."""

    paper: str
    text: str
    quiet: str
    line: str
    gap: str
    ran: str
    running: str
    failed: str
    waiting: str
    queued: str


LIGHT = Theme(
    paper="#ffffff",
    text="#212529",
    quiet="#5c666f",
    line="#e4e8eb",
    gap="#f3f5f6",
    ran="#2b7a4b",
    running="#2468b4",
    failed="#b3261e",
    waiting="#87600a",
    queued="#9aa4ac",
)
DARK = Theme(
    paper="#16181b",
    text="#e8e8e8",
    quiet="#a5aeb6",
    line="#31363b",
    gap="#202428",
    ran="#58b180",
    running="#6ba6e8",
    failed="#f28b82",
    waiting="#dfb14f",
    queued="#69737b",
)
