"""How it stands with the whole: what was measured, and the judgement of it, in sentences with a way out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

CRITICAL, WARNING = "critical", "warning"
#: How far a host's clock may be off the database's before it is said.
CLOCK_SKEW = timedelta(seconds=5)
#: Failures count for so long; so many of them, and such a part of all that ended, are told; so many retries are.
RECENT = timedelta(minutes=10)
FAILING, FAILING_SHARE, RETRYING = 10, 0.1, 20
#: A step that holds up others, since all workers are busy, is long from here on.
LONG_STEP = timedelta(minutes=1)
#: So many rows are looked at, to find what there is much of.
LOOKED_AT = 2000
#: So many of a kind are named.
TOLD = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. ``code`` is for programs and stays as it is; ``queue`` is ``None`` if it is of none.

    ``severity``: ``"critical"`` when work does not go on, else ``"warning"``.
    """

    code: str
    severity: str
    message: str
    hint: str
    queue: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """One worker that was heard of within a lease.

    ``doing`` is "" where it is idle, ``worked`` how long ago it last took work (``None``: never), ``done`` how many
    pieces it has taken.
    """

    id: str
    host: str
    pid: int
    queue: str
    doing: str
    started_at: datetime
    seen_at: datetime
    worked: timedelta | None
    done: int


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """One queue that holds work or has workers; the default queue is "".

    ``due`` pieces of work (turns and steps) could begin now; counting stops at ``DUE_LIMIT``. ``waited`` is how long
    the oldest of them has, ``None`` where nothing is due. ``busy`` of the ``workers`` run a step or a task at this
    moment. ``stalled``: nobody takes what is due; ``growing``: it is taken later and later.
    """

    queue: str
    due: int
    waited: timedelta | None
    workers: int
    busy: int
    worked: timedelta | None
    last_seen: timedelta | None
    stalled: bool = False
    growing: bool = False


@dataclass(frozen=True, slots=True)
class LongStep:
    """A step that a worker runs, ``lasts`` long so far."""

    queue: str
    workflow: str
    workflow_id: UUID
    number: int
    name: str
    host: str
    pid: int
    lasts: timedelta


@dataclass(frozen=True, slots=True)
class Mass:
    """Many of one kind at once: how many, by name (the most frequent first), since when, and ids of the first.

    ``of`` is how many there were of all kinds, as far as they were looked at.
    """

    count: int
    of: int
    names: tuple[tuple[str, int], ...]
    since: timedelta | None
    ids: tuple[UUID, ...]


#: Work that is due is counted up to here.
DUE_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Health:
    """All that was found. ``ok`` while nothing critical was; ``database_error`` is "" if the database answered.

    ``blocked`` counts the workflows that are, ``blocked_ids`` are the first of them. ``lost`` ones wait for nothing
    that could come (looked for only when asked to; ``None`` if not). ``clock_skew`` is what this host's clock is ahead
    of the database's, ``None`` where they are the same clock.
    """

    checked_at: datetime
    database_error: str = ""
    queues: tuple[QueueHealth, ...] = ()
    workers: tuple[WorkerHealth, ...] = ()
    blocked: int = 0
    blocked_ids: tuple[UUID, ...] = ()
    lost: tuple[UUID, ...] | None = None
    clock_skew: timedelta | None = None
    read_only: bool = False
    long_steps: tuple[LongStep, ...] = ()
    failing: Mass | None = None
    retrying: Mass | None = None
    blocked_mass: Mass | None = None
    problems: tuple[Problem, ...] = field(default=())

    @property
    def ok(self) -> bool:
        return all(problem.severity != CRITICAL for problem in self.problems)

    @property
    def oldest_due(self) -> timedelta | None:
        """How long the oldest due work of any queue has waited."""
        return max((queue.waited for queue in self.queues if queue.waited is not None), default=None)


def unnamed(health: Health) -> Health:
    """The same without names and ids of workflows and steps, for whoever may not see all of them.

    How many there are of what stays, and so do queues, hosts and processes.
    """
    found = replace(
        health,
        workers=tuple(replace(worker, doing=worker.doing and "busy") for worker in health.workers),
        blocked_ids=(),
        lost=health.lost and tuple(_NOBODY for _ in health.lost),
        long_steps=tuple(
            replace(step, workflow="", workflow_id=_NOBODY, number=0, name="") for step in health.long_steps
        ),
        failing=_unnamed(health.failing),
        retrying=_unnamed(health.retrying),
        blocked_mass=_unnamed(health.blocked_mass),
    )
    return replace(found, problems=tuple(problems(found)))


_NOBODY = UUID(int=0)


def _unnamed(mass: Mass | None) -> Mass | None:
    return None if mass is None else replace(mass, names=(), ids=())


def judge_queue(queue: QueueHealth, patience: timedelta) -> tuple[bool, bool]:
    """Whether it is stalled, and whether it is growing, when work should wait for ``patience`` at the most."""
    if queue.waited is None or queue.waited <= patience:
        return False, False
    taken = queue.worked is not None and queue.worked <= patience
    going_on = queue.workers > 0 and (taken or queue.busy >= queue.workers)
    return not going_on, going_on


def problems(health: Health) -> Iterator[Problem]:
    """What is wrong, the worst first."""
    if health.database_error:
        yield Problem(
            "database",
            CRITICAL,
            f"The journal's database does not answer: {health.database_error}",
            "Workflows go on by themselves when it is back.",
        )
        return
    if health.read_only:
        yield read_only()
    for queue in health.queues:
        if queue.stalled:
            yield stalled(queue)
    for queue in health.queues:
        if queue.growing:
            yield _growing(queue, health.long_steps)
    yield from _of_masses(health)
    yield from _of_workflows(health)
    if not health.workers and not any(queue.stalled for queue in health.queues):
        yield _idle()
    yield from of_clock(health.clock_skew)


def of_queue(queue: QueueHealth) -> Iterator[Problem]:
    """What is wrong with one queue."""
    if queue.stalled:
        yield stalled(queue)
    if queue.growing:
        yield _growing(queue)


def stalled(queue: QueueHealth) -> Problem:
    """What to say of a queue that is stalled."""
    waited = seconds(queue.waited)
    if not queue.workers:
        seen = "none is on record" if queue.last_seen is None else f"the last was heard of {_ago(queue.last_seen)}"
        return Problem(
            "no_workers",
            CRITICAL,
            f"{queue.due} due on queue {queue.queue!r}, for {waited} s, and no worker: {seen}.",
            "Start one with `manage.py workflows cluster`"
            + (f" --name {queue.queue}." if queue.queue else ", or look at why it ended.")
            + " If one runs, it cannot write to the database: its log says since when, and why.",
            queue.queue,
        )
    worked = "never" if queue.worked is None else _ago(queue.worked)
    return Problem(
        "stalled",
        CRITICAL,
        f"{queue.due} due on queue {queue.queue!r}, for {waited} s, and none of its {queue.workers} workers takes any "
        f"(last: {worked}; {queue.busy} busy).",
        "A killed process can leave a plain `qcluster` like this, with its queue locked: restart it. "
        "`manage.py workflows cluster` heals by itself.",
        queue.queue,
    )


def unheard(queue: QueueHealth, worker: str, since: timedelta, error: str) -> Problem:
    """What a worker says of a queue that is stalled when it lives, and cannot write to the database ``since`` so long.

    Others may be in the same position: what the database knows of them is when it last heard of one.
    """
    seen = "no sign of any is on record" if queue.last_seen is None else f"their last sign was {_ago(queue.last_seen)}"
    return Problem(
        "cannot_write",
        CRITICAL,
        f"{queue.due} due on queue {queue.queue!r}, for {seconds(queue.waited)} s: its workers live but cannot write "
        f"to the database ({seen}). {worker[:1].upper()}{worker[1:]} could not for {seconds(since)} s: {error[:300]}",
        "They resume by themselves once the database can be written. Is it a standby, is its disk full, are all its "
        "connections taken?",
        queue.queue,
    )


def read_only() -> Problem:
    """What to say of a database that answers, and takes nothing."""
    return Problem(
        "read_only",
        CRITICAL,
        "The journal's database can only be read, so no worker can take anything.",
        "Workers resume by themselves once it can be written. Is it a standby, or is default_transaction_read_only on?",
    )


def _growing(queue: QueueHealth, steps: Sequence[LongStep] = ()) -> Problem:
    mine = [each for each in steps if each.queue == queue.queue]
    if mine and queue.busy >= queue.workers:
        return _held_up(queue, mine)
    return Problem(
        "growing",
        WARNING,
        f"{queue.due} due on queue {queue.queue!r}, the oldest for {seconds(queue.waited)} s: more comes in than its "
        f"{queue.workers} workers ({queue.busy} busy) can do.",
        "Add workers, or give long steps a queue of their own.",
        queue.queue,
    )


def _held_up(queue: QueueHealth, steps: Sequence[LongStep]) -> Problem:
    """More workers would help for now, and so would an end of what the present ones run."""
    first = steps[0]
    told = "; ".join(
        f"{_step(each)} for {seconds(each.lasts)} s, on {each.host}, pid {each.pid}" for each in steps[:TOLD]
    )
    more = f"; and {len(steps) - TOLD} more" if len(steps) > TOLD else ""
    return Problem(
        "long_steps",
        WARNING,
        f"{queue.due} due on queue {queue.queue!r}, the oldest for {seconds(queue.waited)} s: all of its "
        f"{queue.workers} workers ({queue.busy} busy) run long steps: {told}{more}.",
        f"To end one at once: `kill -9 {first.pid}` on {first.host}. Its worker is replaced, and all attempts in "
        "flight in that process count as lost: an action without retry fails, all else is run again. "
        "`manage.py workflows cancel ID` interrupts async actions only; other functions go on unless they ask "
        "current_step().canceled(). Give such steps a timeout, or a queue of their own, or add workers.",
        queue.queue,
    )


def _step(step: LongStep) -> str:
    return f"step {step.number} ({step.name}) of {step.workflow} {step.workflow_id}" if step.workflow else "a step"


def _of_masses(health: Health) -> Iterator[Problem]:
    failing, retrying = health.failing, health.retrying
    if failing is not None and failing.count >= FAILING and failing.count >= FAILING_SHARE * failing.of:
        yield Problem(
            "failing",
            WARNING,
            f"{counted(failing.count)} workflows failed in the last {seconds(RECENT)} s, and of the {LOOKED_AT} newest "
            f"{failing.of - failing.count} completed{_told(failing)}.",
            f"`manage.py workflows show {_one(failing)}` says why, of one of them; `manage.py workflows list --state "
            "failed` names all. When the cause is fixed, `manage.py workflows restart ID` resumes one where it failed.",
        )
    if retrying is not None and retrying.count >= RETRYING:
        yield Problem(
            "retrying",
            WARNING,
            f"{counted(retrying.count)} steps have failed and wait to be retried{_told(retrying)}.",
            f"`manage.py workflows show {_one(retrying)}` says why, of one of their workflows. They are retried by "
            "themselves, as often as their policy says: fix the cause before the last attempt.",
        )


def counted(found: int) -> str:
    """How many there are, where no more than so many are looked at."""
    return f"{found} or more" if found >= LOOKED_AT else str(found)


def _one(mass: Mass) -> str:
    return str(mass.ids[0]) if mass.ids else "ID"


def _told(mass: Mass) -> str:
    since = "" if mass.since is None else f", the first {_ago(mass.since)}"
    if not mass.names:
        return since
    names = ", ".join(f"{name} {count}" for name, count in mass.names[:TOLD])
    return f"{since}: {names}" + (" ..." if len(mass.names) > TOLD else "")


def _of_workflows(health: Health) -> Iterator[Problem]:
    if health.blocked:
        told = "." if health.blocked_mass is None else f"{_told(health.blocked_mass)}."
        yield Problem(
            "blocked",
            WARNING,
            f"Blocked workflows: {health.blocked}{told}",
            "`manage.py workflows list --state blocked` names them, `manage.py workflows show ID` says what to do.",
        )
    if health.lost:
        yield Problem(
            "lost",
            WARNING,
            f"Workflows in progress that wait for nothing that could come: {len(health.lost)}.",
            "`manage.py workflows recover` has workers look at them.",
        )


def _idle() -> Problem:
    return Problem(
        "idle",
        WARNING,
        "No worker has reported within a lease, so what falls due will not begin.",
        "Start one with `manage.py workflows cluster`.",
    )


def of_clock(skew: timedelta | None) -> Iterator[Problem]:
    """What is wrong with the clock of this host, which is ``skew`` ahead of the database's."""
    if skew is not None and abs(skew) > CLOCK_SKEW:
        side = "ahead of" if skew > timedelta(0) else "behind"
        yield Problem(
            "clock_skew",
            WARNING,
            f"This host's clock is {seconds(abs(skew))} s {side} the database's.",
            "Let both follow a time server. Workflows go by the database's clock, django-q2's own tasks by the host's.",
        )


def seconds(duration: timedelta | None) -> str:
    return "0" if duration is None else f"{duration.total_seconds():.0f}"


def _ago(duration: timedelta) -> str:
    return f"{seconds(duration)} s ago"
