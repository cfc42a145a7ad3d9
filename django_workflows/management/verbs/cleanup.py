"""Delete finished workflows with their steps, events and children: one by its id, or all that are old enough."""

from __future__ import annotations

import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from ...core.journal import WorkflowState
from ...engine.cleanup import finished_before
from ...words.sentences import state_words
from ..journals import find, manager
from ..parsing import duration, usage_error
from ..terminal import Terminal
from ..texts import plural, printable

_BATCH = 100
#: Seconds between two lines about how far it is, where there is no terminal.
_QUIET = 10.0


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("id", nargs="?", help="The workflow's id.")
    parser.add_argument("--older-than", type=duration, metavar="AGE", help="All that ended longer ago: 30d, 12h.")
    parser.add_argument("--name", help="With --older-than: only those of this definition.")
    parser.add_argument("--dry-run", action="store_true", help="Say what would be deleted, and delete nothing.")


def run(terminal: Terminal, options: Namespace) -> None:
    if (options.id is None) == (options.older_than is None):
        raise usage_error("Give either the id of a workflow, or --older-than with an age as 30d.")
    if options.id is not None and options.name is not None:
        raise usage_error("--name goes with --older-than: an id is of one definition already.")
    if options.id is not None:
        counts = _one(options.id, dry_run=options.dry_run)
    else:
        counts = _old(terminal, options.older_than, options.name, dry_run=options.dry_run)
    _report(terminal, counts, dry_run=options.dry_run)


class Counts:
    """How many workflows were, or would be, deleted by definition, and how many were kept."""

    def __init__(self) -> None:
        self.deleted: Counter[str] = Counter()
        self.kept = 0


def _one(workflow_id: str, *, dry_run: bool) -> Counts:
    workflow, counts = find(workflow_id), Counts()
    if workflow.state == WorkflowState.IN_PROGRESS:
        raise CommandError(f"Workflow {workflow.id} is {state_words(workflow.state)}: only finished ones are deleted.")
    if not dry_run and not manager.cleanup(workflow.id):
        raise CommandError(f"Workflow {workflow.id} cannot be deleted: a child that it gave up is still in progress.")
    counts.deleted[workflow.name] += 1
    return counts


def _old(terminal: Terminal, age: timedelta, name: str | None, *, dry_run: bool) -> Counts:
    counts, said_at = Counts(), time.monotonic()
    for batch in _batches(age, name):
        for workflow_id, its_name in batch:
            if dry_run or manager.cleanup(workflow_id):
                counts.deleted[its_name] += 1
            else:
                counts.kept += 1
        words = f"{plural(counts.deleted.total(), 'workflow')} so far"
        terminal.live(words)
        if not terminal.is_live and not terminal.json and time.monotonic() - said_at > _QUIET:
            terminal.line(words)
            said_at = time.monotonic()
    return counts


def _batches(age: timedelta, name: str | None) -> Iterator[list[tuple[UUID, str]]]:
    ids = finished_before(age)
    while batch := list(islice(ids, _BATCH)):
        yield list(manager.list(name=name).filter(id__in=batch).order_by("id").values_list("id", "name"))


def _report(terminal: Terminal, counts: Counts, *, dry_run: bool) -> None:
    if terminal.json:
        document = {"dry_run": dry_run, "deleted": counts.deleted.total(), "kept": counts.kept}
        terminal.document({**document, "by_name": dict(sorted(counts.deleted.items()))})
        return
    verb = "Would delete" if dry_run else "Deleted"
    terminal.line(f"{verb} {plural(counts.deleted.total(), 'workflow')}, with steps, events and children.")
    for name, count in sorted(counts.deleted.items()):
        terminal.line(f"  {count:>8,}  {printable(name)}")
    if counts.kept:
        terminal.line(f"Kept {counts.kept:,}: a child that they gave up is still in progress.")
