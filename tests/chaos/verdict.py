"""What must hold when the dust has settled, by SQL and from the log outside of the database."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from django.db.models import Count, Max, Q

from django_workflows.models import Event, Step, Worker, Workflow
from tests.app.models import Mark
from tests.chaos.plan import Planned
from tests.engine.replays import assert_replays

FINISHED = ("completed", "failed", "canceled")
SHOWN = 8


@dataclass
class Verdict:
    """``figures`` are for the reader, ``broken`` is what does not hold: nothing, if all is well."""

    figures: dict[str, object] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def check(self, name: str, wrong: Sequence[object], total: object) -> None:
        self.figures[name] = f"{total}" if not wrong else f"{total}, BROKEN: {len(wrong)}"
        if wrong:
            shown = ", ".join(map(str, wrong[:SHOWN]))
            self.broken.append(f"{name}: {len(wrong)} wrong: {shown}{' ...' if len(wrong) > SHOWN else ''}")


class Notes:
    """The log outside of the database: how often each line was written, by kind and key."""

    def __init__(self, path: Path) -> None:
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.details: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for line in path.read_text().splitlines() if path.exists() else ():
            kind, key, detail, _pid, _at = line.split(" ")
            self.counts[kind][key] += 1
            self.details[kind].append((key, detail))


def judge(plan: Sequence[Planned], ids: dict[str, UUID], notes: Notes) -> Verdict:
    verdict = Verdict()
    rows = {row.id: row for row in Workflow.objects.all()}
    for rule in (_ends, _marks, _actions, _quick_actions, _timers, _steps, _leftovers, _replays):
        rule(verdict, plan, ids, rows, notes)  # type: ignore[operator]
    return verdict


Rows = dict[UUID, Workflow]
Rule = Callable[[Verdict, Sequence[Planned], dict[str, UUID], Rows, Notes], None]


def _ends(verdict: Verdict, plan: Sequence[Planned], ids: dict[str, UUID], rows: Rows, notes: Notes) -> None:
    wrong = []
    for planned in plan:
        row = rows.get(ids[planned.key]) if planned.key in ids else None
        if row is None or row.state != planned.state:
            wrong.append(
                f"{planned.key} {None if row is None else row.state} {'' if row is None else row.blocked_message}"
            )
        elif planned.result is not None and row.result != f'"{planned.result}"':
            wrong.append(f"{planned.key} {row.result}")
    verdict.check("workflows that reached their one right end", wrong, len(plan))
    verdict.figures["of them with children"] = len(rows)


def _marks(verdict: Verdict, plan: Sequence[Planned], ids: dict[str, UUID], rows: Rows, notes: Notes) -> None:
    found = Counter(Mark.objects.values_list("key", flat=True))
    expected = {mark for planned in plan for mark in planned.marks}
    effects = {mark for mark in expected if not mark.endswith(":complete")}
    wrong = [(key, found[key]) for key in effects if found[key] != 1]
    wrong += [(key, count) for key, count in found.items() if key not in expected]
    verdict.check("effects of mutations, exactly once", wrong, len(effects))
    tried = sum(notes.counts["mutation"].values())
    verdict.figures["of them attempted (in the log)"] = tried
    callbacks = expected - effects
    verdict.check("on_complete, exactly once", [(k, found[k]) for k in callbacks if found[k] != 1], len(callbacks))


def _actions(verdict: Verdict, plan: Sequence[Planned], ids: dict[str, UUID], rows: Rows, notes: Notes) -> None:
    ran = notes.counts["action"] + notes.counts["timer"] + notes.counts["retried"]
    wanted = [action for planned in plan for action in planned.actions]
    verdict.check("retried actions, at least once", [key for key in wanted if ran[key] < 1], len(wanted))
    verdict.figures["of them repeated"] = sum(1 for key in wanted if ran[key] > 1 and not key.startswith("retried"))
    once = [planned for planned in plan if planned.shape == "at_most_once"]
    counts, wrong, lost = notes.counts["once"], [], 0
    for planned in once:
        row = rows.get(ids.get(planned.key))  # type: ignore[arg-type]
        outcome = (row.result or "") if row is not None else ""
        is_lost = "AttemptLost" in outcome or "StepInterrupted" in outcome
        lost += is_lost
        ran_and_says_so = outcome == f'"{planned.key} ran"' and counts[planned.key] == 1
        if not ran_and_says_so and not (is_lost and counts[planned.key] <= 1):
            wrong.append((planned.key, outcome, counts[planned.key]))
    verdict.check("actions without retry, at most once", wrong, len(once))
    verdict.figures["of them lost, and said so"] = lost


def _quick_actions(verdict: Verdict, plan: Sequence[Planned], ids: dict[str, UUID], rows: Rows, notes: Notes) -> None:
    counts, wrong, lost = notes.counts["dash"], [], 0
    those = Q(function__endswith=".dash") | Q(function__endswith=".dash_over")
    steps = Step.objects.filter(those).values_list("args", "state", "error", "attempt")
    for args, state, error, attempt in steps:
        key = json.loads(args)["key"]
        is_lost = state == "failed" and ("AttemptLost" in (error or "") or "StepInterrupted" in (error or ""))
        lost += is_lost
        if not (counts[key] == 1 and state == "completed") and not (counts[key] <= 1 and is_lost):
            wrong.append((key, state, attempt, counts[key]))
    verdict.check("quick ones in batches, at most once", wrong, len(steps))
    verdict.figures["of these lost, and said so"] = lost


def _timers(verdict: Verdict, plan: Sequence[Planned], ids: dict[str, UUID], rows: Rows, notes: Notes) -> None:
    late = [float(detail) for _, detail in notes.details["timer"]]
    verdict.check("timers, none early", [each for each in late if each < 0], len(late))
    verdict.figures["latest timer, seconds late"] = f"{max(late, default=0):.2f}"


def _steps(verdict: Verdict, plan: Sequence[Planned], ids: dict[str, UUID], rows: Rows, notes: Notes) -> None:
    steps = Step.objects.filter(workflow__state__in=FINISHED)
    still_open = steps.filter(state__in=["queued", "running", "waiting"])
    verdict.check("steps of finished workflows, none open", list(still_open.values_list("id", "name")), steps.count())
    numbers = Step.objects.values("workflow").annotate(count=Count("id"), last=Max("number"))
    gaps = [each["workflow"] for each in numbers if each["count"] != each["last"] + 1]
    verdict.check("journals without a gap", gaps, len(numbers))
    events = Event.objects.filter(name="go")
    counts = Counter(events.values_list("workflow_id", flat=True))
    wrong = [each for each in ids if each.startswith("waits") and counts[ids[each]] != 1]
    wrong += [str(event.pk) for event in events.exclude(state="consumed")]
    verdict.check("events, consumed exactly once", wrong, len(counts))


def _leftovers(verdict: Verdict, plan: Sequence[Planned], ids: dict[str, UUID], rows: Rows, notes: Notes) -> None:
    ended = [row for row in rows.values() if row.state in FINISHED]
    due = [str(row.id) for row in ended if row.due_at is not None]
    due += [str(pk) for pk in Step.objects.filter(workflow__state__in=FINISHED, due_at__isnull=False).values_list("id")]
    verdict.check("leases left on what has ended", due, 0)
    verdict.check("workers still listed", [str(row) for row in Worker.objects.all()], 0)


def _replays(verdict: Verdict, plan: Sequence[Planned], ids: dict[str, UUID], rows: Rows, notes: Notes) -> None:
    ended = [row for row in rows.values() if row.state in FINISHED]
    verdict.check("journals that replay to the same end", list(_unlike(ended)), len(ended))


def _unlike(ended: Sequence[Workflow]) -> Iterator[str]:
    for row in ended:
        try:
            assert_replays(row)
        except Exception as error:  # noqa: BLE001 - it is counted
            yield f"{row.id} {error}"
