"""What is wrong as a whole, in the reader's language, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.contrib.admin import AdminSite
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..core.health import CRITICAL, LOOKED_AT, RECENT, TOLD, Health, LongStep, Mass, Problem, QueueHealth, unnamed
from ..core.timeline import human
from ..engine.health import check_health
from ..models import Workflow
from ..store.blocked import only_blocked
from ..words.texts import printable
from .listing.counts import shown
from .payloads import coded
from .permissions import may_view, narrowed
from .site import link


@dataclass(frozen=True)
class Alert:
    """A sentence, what to do, and where; ``critical``: work does not go on."""

    code: str
    message: str
    hint: str
    critical: bool
    url: str = ""


def alerts(site: AdminSite, request: HttpRequest) -> list[Alert]:
    """All of them, the worst first, as the user of an admin site may see them."""
    admin = site._registry.get(Workflow)
    if admin is not None and may_view(request):
        return alerts_of(health_for(admin, request))
    return alerts_of(check_health() if sees_everything(site, request) else _seen(check_health(), None))


def sees_everything(site: AdminSite, request: HttpRequest) -> bool:
    """Whether every workflow exists for this user of an admin site."""
    admin = site._registry.get(Workflow)
    return may_view(request) and not getattr(admin, "is_narrowed", False)


def health_for(admin: Any, request: HttpRequest) -> Health:
    """How it stands with the whole, without the names and numbers of workflows that do not exist for the user."""
    rows = narrowed(admin, request) if hasattr(admin, "is_narrowed") else None
    return check_health() if rows is None else _seen(check_health(), rows)


def _seen(health: Health, rows: QuerySet[Workflow] | None) -> Health:
    """What of it concerns a user for whom only ``rows`` exist, or no workflow at all."""
    blocked = 0 if rows is None else only_blocked(rows).count()
    return unnamed(replace(health, blocked=blocked, failing=None, retrying=None, lost=None))


def alerts_of(health: Health) -> list[Alert]:
    """What was found wrong."""
    return [_alert(health, problem) for problem in health.problems]


def _alert(health: Health, problem: Problem) -> Alert:
    queue = next((each for each in health.queues if each.queue == problem.queue), None)
    if queue is None or problem.code in _WORDS:
        words = _WORDS.get(problem.code, _untold)(health)
    else:
        words = _of_queue(problem.code, queue, health)
    message, hint = words or (problem.message, problem.hint)
    url = f"{link('changelist')}?{_LISTED[problem.code]}&started_by=any" if problem.code in _LISTED else ""
    return Alert(problem.code, coded(message), coded(hint), problem.severity == CRITICAL, url)


def _of_queue(code: str, queue: QueueHealth, health: Health) -> tuple[str, str] | None:
    if code == "long_steps":
        return _long_steps(queue, [step for step in health.long_steps if step.queue == queue.queue])
    tell = {"no_workers": _no_workers, "stalled": _stalled, "growing": _growing}.get(code)
    return None if tell is None else tell(queue)


def _due(queue: QueueHealth) -> str:
    text = ngettext("%(count)s piece of work is due", "%(count)s pieces of work are due", queue.due)
    words = text % {"count": shown(queue.due, 9_999)}
    if queue.queue:
        words = _("Queue '%(queue)s': %(what)s") % {"queue": printable(queue.queue), "what": words}
    return words


def _command(queue: QueueHealth) -> str:
    return "manage.py workflows cluster" + (f" --name {printable(queue.queue)}" if queue.queue else "")


def _no_workers(queue: QueueHealth) -> tuple[str, str]:
    if queue.last_seen is None:
        seen = _("no worker has ever reported")
    else:
        seen = _("no worker has reported for %(duration)s") % {"duration": human(queue.last_seen)}
    message = _("%(due)s, and %(seen)s.") % {"due": _due(queue), "seen": seen}
    return message, _("Start one with `%(command)s`.") % {"command": _command(queue)}


def _stalled(queue: QueueHealth) -> tuple[str, str]:
    text = ngettext(
        "%(due)s for %(time)s, and the one worker takes none.",
        "%(due)s for %(time)s, and none of the %(workers)s workers takes any.",
        queue.workers,
    )
    message = text % {"due": _due(queue), "time": human(queue.waited or timedelta(0)), "workers": queue.workers}
    return message, _(
        "Restart the cluster. A killed process can leave a plain qcluster like this; `%(command)s` heals by itself."
    ) % {"command": _command(queue)}


def _growing(queue: QueueHealth) -> tuple[str, str]:
    message = _(
        "%(due)s, the oldest for %(time)s: more comes in than the workers (%(workers)s, %(busy)s busy) can do."
    ) % {
        "due": _due(queue),
        "time": human(queue.waited or timedelta(0)),
        "workers": queue.workers,
        "busy": queue.busy,
    }
    return message, _("Add workers, or give long steps a queue of their own.")


def _long_steps(queue: QueueHealth, steps: Sequence[LongStep]) -> tuple[str, str]:
    first = steps[0]
    told = "; ".join(_told(each) for each in steps[:TOLD])
    if len(steps) > TOLD:
        told = _("%(these)s; and %(count)s more") % {"these": told, "count": len(steps) - TOLD}
    message = _("%(due)s, the oldest for %(time)s: all workers (%(workers)s) run long steps: %(steps)s.") % {
        "due": _due(queue),
        "time": human(queue.waited or timedelta(0)),
        "workers": queue.workers,
        "steps": told,
    }
    hint = _(
        "To end one at once: `kill -9 %(pid)s` on %(host)s. Its worker is replaced, and all attempts in flight in that "
        "process count as lost: an action without retry fails, all else is run again. Canceling the workflow "
        "interrupts async actions only; other functions go on unless they ask current_step().canceled(). Give such "
        "steps a timeout, or a queue of their own, or add workers."
    )
    return message, hint % {"pid": first.pid, "host": printable(first.host)}


def _told(step: LongStep) -> str:
    if not step.workflow:
        return _("a step for %(time)s, on %(host)s, pid %(pid)s") % _named(step)
    return _("step %(number)s (%(name)s) of %(workflow)s %(id)s for %(time)s, on %(host)s, pid %(pid)s") % _named(step)


def _named(step: LongStep) -> dict[str, object]:
    names = {"name": printable(step.name), "workflow": printable(step.workflow), "host": printable(step.host)}
    return {**names, "number": step.number, "id": step.workflow_id, "time": human(step.lasts), "pid": step.pid}


def _read_only(health: Health) -> tuple[str, str]:
    return _("The journal's database can only be read, so no worker can take anything."), _(
        "Workers resume by themselves once it can be written. Is it a standby, or is default_transaction_read_only on?"
    )


def _failing(health: Health) -> tuple[str, str] | None:
    mass = health.failing
    if mass is None:
        return None
    message = _(
        "%(count)s workflows failed in the last %(time)s, and of the %(newest)s newest %(completed)s completed"
        "%(which)s."
    ) % {
        "count": shown(mass.count, LOOKED_AT - 1),
        "newest": f"{LOOKED_AT:,}",
        "completed": f"{mass.of - mass.count:,}",
        "time": human(RECENT),
        "which": _which(mass),
    }
    return message, _(
        "Their pages say why, and which steps failed. When the cause is fixed, restart them: what failed runs again."
    )


def _retrying(health: Health) -> tuple[str, str] | None:
    mass = health.retrying
    if mass is None:
        return None
    message = _("%(count)s steps have failed and wait to be retried%(which)s.") % {
        "count": shown(mass.count, LOOKED_AT - 1),
        "which": _which(mass),
    }
    return message, _(
        "The pages of their workflows say why. They are retried by themselves, as often as their policy says: fix the "
        "cause before the last attempt."
    )


def _which(mass: Mass) -> str:
    """Which they are, the most frequent first, and since when."""
    since = "" if mass.since is None else _(", the first %(time)s ago") % {"time": human(mass.since)}
    names = ", ".join(f"{printable(name)} {count:,}" for name, count in mass.names[:TOLD])
    return f"{since}: {names}" + (" …" if len(mass.names) > TOLD else "")


def _database(health: Health) -> tuple[str, str]:
    return _("The journal's database does not answer."), _("Workflows go on by themselves when it is back.")


def _blocked(health: Health) -> tuple[str, str]:
    text = ngettext("%(count)s workflow is blocked.", "%(count)s workflows are blocked.", health.blocked)
    hint = ngettext("Its page says why, and what to do.", "Their pages say why, and what to do.", health.blocked)
    return text % {"count": f"{health.blocked:,}"}, hint


def _idle(health: Health) -> tuple[str, str]:
    message = _("No worker is running, so nothing that falls due will begin.")
    return message, _("Start one with `%(command)s`.") % {"command": "manage.py workflows cluster"}


def _clock_skew(health: Health) -> tuple[str, str] | None:
    if health.clock_skew is None:
        return None
    message = _("The clock of this host is %(time)s off the database's.") % {"time": human(abs(health.clock_skew))}
    return message, _("Let both follow a time server.")


def _untold(health: Health) -> None:
    return None


#: What the list is narrowed by, of what is told of workflows.
_LISTED = {"blocked": "blocked=any", "failing": "state=failed", "retrying": "attention=retrying"}
_WORDS: dict[str, Callable[[Health], tuple[str, str] | None]] = {
    "database": _database,
    "read_only": _read_only,
    "failing": _failing,
    "retrying": _retrying,
    "blocked": _blocked,
    "idle": _idle,
    "clock_skew": _clock_skew,
}
