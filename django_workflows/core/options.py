"""Which options make sense for which kind of step: the others are errors that say what to write instead."""

from __future__ import annotations

from collections.abc import Iterator

from ..exceptions import InvalidStep
from .commands import StepOptions
from .journal import StepKind

_INLINE_KINDS = frozenset({StepKind.QUERY, StepKind.MUTATION, StepKind.CREATE_EVENT})


def check_options(options: StepOptions, kind: StepKind) -> None:
    """``InvalidStep`` if a step of that kind would not do what its options say.

    What has nothing to say of a kind passes: a sleep needs no worker, so any ``queue`` and ``priority`` will do.
    """
    for problem in _problems(options, kind):
        raise InvalidStep(problem)


def _problems(options: StepOptions, kind: StepKind) -> Iterator[str]:
    if options.inline and kind not in _INLINE_KINDS:
        yield f"inline: this step ({kind}) cannot run inside the turn's transaction; only queries and mutations can"
    if kind == StepKind.WORKFLOW:
        yield from _child_problems(options)
    elif kind == StepKind.EVENT and options.retry:
        yield "retry: there is nothing to try again about a wait for an event"
    elif kind == StepKind.SLEEP and options.timeout is not None:
        yield "timeout: there is nothing to cut short about a sleep: sleep less long"
    elif kind == StepKind.CREATE_EVENT:
        yield from _created_problems(options)


def _child_problems(options: StepOptions) -> Iterator[str]:
    if options.retry:
        yield (
            "retry: a child workflow is not tried again as a whole; its own steps are tried again, as its definition "
            "or they themselves say"
        )
    if options.timeout is not None:
        yield (
            "timeout: of a child workflow, write `async with asyncio.timeout(...):` around the await, which cancels "
            "the child when the time is over"
        )


def _created_problems(options: StepOptions) -> Iterator[str]:
    if options.run_after is not None or options.run_at is not None:
        yield "run_after and run_at: an event is made at once; sleep before it if that is meant"
    if options.name is not None:
        yield "name: the step that makes an event is named as the event"
