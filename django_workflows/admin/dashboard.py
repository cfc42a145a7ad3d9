"""The dashboard: how many, how fast, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from ..core.health import Health
from ..core.timeline import human
from ..models import Workflow
from ..store import activity
from ..words.sentences import state_words
from ..words.texts import printable, short_name
from .alerts import alerts_of, health_for
from .listing.counts import names as names_of
from .listing.counts import shown, shown_counts
from .permissions import START, may, narrowed
from .site import Crumb, context, link
from .strip import strip

#: The buckets of durations: their upper bounds in seconds.
BOUNDS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 6 * 3600, 86_400, 7 * 86_400)
#: So many of the last completed workflows of a name are looked at.
LATEST = 500
#: So many names are shown.
NAMES = 40
#: From here on a count of one name is "many".
MANY = 1_000


@dataclass(frozen=True)
class NameLine:
    """One workflow's code: how many of it, and how long they take."""

    name: str
    full_name: str
    url: str
    counts: list[tuple[str, str, str, str]]
    median: str
    most: str


def dashboard(admin: ModelAdmin[Workflow], request: HttpRequest) -> HttpResponse:
    if not admin.has_view_permission(request):
        raise PermissionDenied
    crumbs = [Crumb(_("Workflows"), link("changelist")), Crumb(_("Dashboard"))]
    rows, names, health = narrowed(admin, request), names_of(request, admin), health_for(admin, request)
    extra = {
        "tiles": list(_tiles(request, admin, health)),
        "strip": strip() if rows is None else None,
        "alerts": alerts_of(health),
        "names": _lines(names[:NAMES], rows),
        "unnamed": max(0, len(names) - NAMES),
        "latest": LATEST,
        "list_url": link("changelist"),
        "workers_url": reverse("admin:django_workflows_worker_changelist") if may(request, "view_worker") else "",
        "patches_url": link("patches"),
        "may_start": may(request, START),
        "start_url": link("choose"),
    }
    return TemplateResponse(
        request, "django_workflows/admin/dashboard.html", {**context(admin, request, _("Dashboard"), *crumbs), **extra}
    )


@dataclass(frozen=True)
class Tile:
    """A number that leads to what it counts."""

    number: str
    label: str
    url: str
    kind: str


def _tiles(request: HttpRequest, admin: ModelAdmin[Workflow], health: Health) -> Iterator[Tile]:
    url = link("changelist")
    yield Tile(f"{health.blocked:,}", _("blocked"), f"{url}?blocked=any&started_by=any", "blocked")
    for state, count in shown_counts(request, admin).items():
        yield Tile(count, state_words(state), f"{url}?state={state}", state)
    due = shown(sum(queue.due for queue in health.queues), 9_999)
    busy = sum(bool(worker.doing) for worker in health.workers)
    workers = reverse("admin:django_workflows_worker_changelist")
    yield Tile(due, _("due and not taken yet"), workers, "due")
    label = _("workers, %(busy)s of them busy") % {"busy": busy}
    yield Tile(f"{len(health.workers):,}", label, workers, "workers")


def _lines(names: Sequence[str], rows: QuerySet[Workflow] | None) -> list[NameLine]:
    """How long they take is told where the user may see all of them only."""
    if rows is not None:
        some: dict[str, dict[str, int]] = {name: {} for name in names}
        found = rows.filter(name__in=names).order_by().values_list("name", "state").annotate(count=Count("pk"))
        for name, state, count in found:
            some[name][state] = count
        return [_line(name, some[name], ()) for name in names]
    counts = activity.count_by_name(names, MANY + 1)
    durations = activity.count_durations(names, BOUNDS, LATEST)
    return [_line(name, counts[name], durations[name]) for name in names]


def _line(name: str, counts: dict[str, int], buckets: Sequence[int]) -> NameLine:
    url = f"{link('changelist')}?{urlencode({'name': name, 'started_by': 'any'})}"
    return NameLine(
        name=short_name(printable(name)),
        full_name=printable(name),
        url=url,
        counts=[
            (state, state_words(state), shown(counts.get(state, 0), MANY), f"{url}&state={state}")
            for state in activity.STATES
        ],
        median=quantile(buckets, 0.5),
        most=quantile(buckets, 0.95),
    )


def quantile(buckets: Sequence[int], share: float) -> str:
    """Within which bound at least that share of the durations is; empty where there are none."""
    total, reached = sum(buckets), 0
    for count, bound in zip(buckets, BOUNDS, strict=False):
        reached += count
        if total and reached >= share * total:
            return f"≤ {human(timedelta(seconds=bound))}".replace(".0 s", " s")
    return f"> {human(timedelta(seconds=BOUNDS[-1]))}" if total else ""
