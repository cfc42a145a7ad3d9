"""What is wrong as a whole, in the reader's language, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..core.health import CRITICAL, Health, Problem, QueueHealth
from ..core.timeline import human
from ..engine.health import check_health
from ..words.texts import printable
from .listing.counts import shown
from .payloads import coded
from .site import link


@dataclass(frozen=True)
class Alert:
    """A sentence, what to do, and where; ``critical``: work does not go on."""

    code: str
    message: str
    hint: str
    critical: bool
    url: str = ""


def alerts() -> list[Alert]:
    """All of them, the worst first."""
    return alerts_of(check_health())


def alerts_of(health: Health) -> list[Alert]:
    """What was found wrong."""
    return [_alert(health, problem) for problem in health.problems]


def _alert(health: Health, problem: Problem) -> Alert:
    queue = next((each for each in health.queues if each.queue == problem.queue), None)
    words = _of_queue(problem.code, queue) if queue is not None else _WORDS.get(problem.code, _untold)(health)
    message, hint = words or (problem.message, problem.hint)
    url = f"{link('changelist')}?blocked=any&started_by=any" if problem.code == "blocked" else ""
    return Alert(problem.code, coded(message), coded(hint), problem.severity == CRITICAL, url)


def _of_queue(code: str, queue: QueueHealth) -> tuple[str, str] | None:
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


_WORDS: dict[str, Callable[[Health], tuple[str, str] | None]] = {
    "database": _database,
    "blocked": _blocked,
    "idle": _idle,
    "clock_skew": _clock_skew,
}
