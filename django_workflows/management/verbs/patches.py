"""Say which branch of step.patched the workflows in progress take, and which old branches can be deleted.

Replays their journals with the checked-out code. No step is run and nothing is written.
"""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict

from django.core.management.base import CommandParser

from ...core.registry import registry
from ...engine.patches import PatchReport, PatchUse
from ..journals import manager
from ..parsing import positive
from ..terminal import Terminal
from ..texts import aligned, plural, printable


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--name", help="Only workflows of this definition.")
    parser.add_argument("--limit", type=positive, help="Look at the newest N at the most.", metavar="N")


def run(terminal: Terminal, options: Namespace) -> None:
    report = manager.patches(name=options.name, limit=options.limit)
    if options.name is not None and not report.examined and not manager.list(name=options.name).exists():
        registry.find(options.name)  # raises with the nearest names
    if terminal.json:
        uses = [asdict(use) for use in report.uses]
        terminal.document({"examined": report.examined, "whole": report.whole, "patches": uses})
    else:
        _write(terminal, report)


def _write(terminal: Terminal, report: PatchReport) -> None:
    if report.uses:
        cells = [("PATCH", "OLD", "NEW", "AHEAD", "UNCLEAR", "WORKFLOW"), *map(_cells, report.uses)]
        heading, *lines = aligned(cells, right=[1, 2, 3, 4], widest=200)
        terminal.line(terminal.paint("title", "  ".join(heading).rstrip()))
        for line in lines:
            terminal.line("  ".join(line).rstrip())
    else:
        terminal.line(f"No patch in {plural(report.examined, 'journal')}.")
    for use in report.uses:
        if use.removable:
            terminal.line(
                f"patched({json.dumps(printable(use.patch), ensure_ascii=False)}) in {printable(use.name)}: "
                "no live journal needs the old branch; it can be deleted."
            )
    if not report.whole:
        terminal.line(f"Only the newest {report.examined:,} were looked at, so no branch is called deletable.")


def _cells(use: PatchUse) -> tuple[str, ...]:
    counts = (use.old, use.new, use.ahead, use.unclear)
    return (printable(use.patch), *(f"{count:,}" for count in counts), printable(use.name))
