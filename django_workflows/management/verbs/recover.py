"""Bring back what was lost on the way, from outside of any cluster.

Gives back what dead workers of this machine held, forgets workers that are silent, hands out free places, has
workflows looked at that wait for nothing, and wakes workers for whatever is due. Clusters do this by themselves, all
the time; this is for when none does. Exit code 1 if a queue is stalled all the same.
"""

from __future__ import annotations

from argparse import Namespace

from django.core.management.base import CommandError, CommandParser

from ...core.health import CRITICAL
from ...engine.health import check_health
from ...engine.recover import recover
from ..terminal import Terminal
from ..texts import plural, printable


def add_arguments(parser: CommandParser) -> None:
    pass


def run(terminal: Terminal, options: Namespace) -> None:
    done = recover(thorough=True)
    health = check_health()
    critical = [problem for problem in health.problems if problem.severity == CRITICAL]
    if terminal.json:
        terminal.document(
            {
                "dead_workers": done.workers,
                "silent_workers": done.silent,
                "lost_workflows": done.lost,
                "woken_queues": list(done.queues),
                "ok": health.ok,
                "problems": [
                    {"code": each.code, "severity": each.severity, "message": each.message, "hint": each.hint}
                    for each in health.problems
                ],
            }
        )
    else:
        terminal.line(f"{plural(done.workers, 'dead worker')} of this machine gave back what they held.")
        terminal.line(f"{plural(done.silent, 'silent worker')} forgotten.")
        terminal.line(f"{plural(done.lost or 0, 'workflow')} waited for nothing, and will be looked at.")
        terminal.line(f"{plural(len(done.queues), 'queue')} with work that is due: workers were woken.")
        for problem in health.problems:
            terminal.line(f"{problem.severity}: {printable(problem.message)} {printable(problem.hint)}")
    if critical:
        raise CommandError("Something still does not go on.")
