"""The directive ``state-diagram``: draws a table of ``django_workflows.core.transitions``, with its legend below."""

from __future__ import annotations

import math
from collections.abc import Iterator

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from django_workflows.core.transitions import NEW, TABLES

#: Where the states stand: column and row.
PLACES = {
    "workflow": {NEW: (0, 1), "in_progress": (1, 1), "completed": (2.4, 0), "failed": (2.4, 1), "canceled": (2.4, 2)},
    "step": {
        NEW: (0, 1),
        "queued": (1.1, 0),
        "running": (2.6, -0.35),
        "waiting": (1.1, 2),
        "completed": (4.1, 0),
        "failed": (4.6, 1),
        "canceled": (4.1, 2),
    },
    "event": {NEW: (0, 0.5), "created": (1, 0), "sent": (1, 1), "consumed": (2.2, 1)},
}
_STEP_X, _STEP_Y, _LEFT, _TOP = 150, 125, 70, 85
_HALF_WIDTH, _HALF_HEIGHT, _DOT = 52, 17, 7
_BEND = 22
Point = tuple[float, float]


class StateDiagram(Directive):
    """``{state-diagram} step``"""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        kind = self.arguments[0]
        return [nodes.raw("", svg(kind), format="html"), legend(kind)]


def legend(kind: str) -> nodes.enumerated_list:
    """What each arrow means, in their order; all there is where no picture can be shown."""
    listed = nodes.enumerated_list()
    for (before, after), why in TABLES[kind].items():
        words = f"{before or 'new'} → {after}: {why}"
        listed += nodes.list_item("", nodes.paragraph("", words))
    return listed


def svg(kind: str) -> str:
    """The diagram as inline SVG, in the colours of the page."""
    centres = {state: (_LEFT + x * _STEP_X, _TOP + y * _STEP_Y) for state, (x, y) in PLACES[kind].items()}
    width = max(x for x, _ in centres.values()) + _LEFT
    height = max(y for _, y in centres.values()) + _TOP
    parts = [*_arrows(kind, centres), *(_state(state, *centre) for state, centre in centres.items())]
    return (
        f'<svg role="img" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" style="max-width: 100%" '
        f'font-family="inherit" font-size="13" fill="currentColor" stroke="none"><title>The states of a {kind}; '
        f'the list below says the same</title><defs><marker id="head-{kind}" viewBox="0 0 8 8" refX="7" refY="4" '
        'markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z"/></marker></defs>'
        f"{''.join(parts)}</svg>"
    )


def _state(state: str, x: float, y: float) -> str:
    if state == NEW:
        return f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{_DOT}"/>'
    return (
        f'<rect x="{x - _HALF_WIDTH:.0f}" y="{y - _HALF_HEIGHT}" width="{2 * _HALF_WIDTH}" height="{2 * _HALF_HEIGHT}" '
        f'rx="8" fill="none" stroke="currentColor"/><text x="{x:.0f}" y="{y + 4:.0f}" text-anchor="middle">'
        f"{state.replace('_', ' ')}</text>"
    )


def _arrows(kind: str, centres: dict[str, Point]) -> Iterator[str]:
    for number, (before, after) in enumerate(TABLES[kind], start=1):
        start, end = centres[before], centres[after]
        # Both directions, or lines through a third state, are told apart by their bend.
        middle = _aside(start, end)
        path_start, path_end = _edge(before, start, middle), _edge(after, end, middle)
        x, y = ((path_start[0] + 2 * middle[0] + path_end[0]) / 4, (path_start[1] + 2 * middle[1] + path_end[1]) / 4)
        yield (
            f'<path d="M{path_start[0]:.0f} {path_start[1]:.0f}Q{middle[0]:.0f} {middle[1]:.0f} {path_end[0]:.0f} '
            f'{path_end[1]:.0f}" fill="none" stroke="currentColor" stroke-opacity=".55" '
            f'marker-end="url(#head-{kind})"/><circle cx="{x:.0f}" cy="{y:.0f}" r="9" '
            f'fill="var(--color-background-primary, Canvas)" stroke="currentColor" stroke-opacity=".55"/>'
            f'<text x="{x:.0f}" y="{y + 3.5:.1f}" text-anchor="middle" font-size="10">{number}</text>'
        )


def _aside(start: Point, end: Point) -> Point:
    """A point beside the middle of the line, to the left of who goes along it."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy) or 1
    bend = _BEND + length / 14
    return (start[0] + end[0]) / 2 + dy / length * bend, (start[1] + end[1]) / 2 - dx / length * bend


def _edge(state: str, centre: Point, towards: Point) -> Point:
    """Where the line from ``centre`` leaves the state's shape."""
    dx, dy = towards[0] - centre[0], towards[1] - centre[1]
    if state == NEW:
        scale = (_DOT + 2) / (math.hypot(dx, dy) or 1)
    else:
        scale = min((_HALF_WIDTH + 3) / (abs(dx) or 1e-6), (_HALF_HEIGHT + 3) / (abs(dy) or 1e-6))
    return centre[0] + dx * scale, centre[1] + dy * scale


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("state-diagram", StateDiagram)
    return {"parallel_read_safe": True}
