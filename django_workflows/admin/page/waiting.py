"""Why a workflow waits, until when, and what would help: one item for each thing that it waits for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...core.blocked import Blocked, BlockedReason
from ...core.waiting import Wait, WaitKind
from ...engine.sketch import Sketch
from ...words.sentences import blocked_for, checked_words, distance, error_words, silence_words, wait_words
from ..actions import ACTIONS
from ..payloads import coded, safe_text
from ..permissions import PAYLOAD, may
from ..site import link, page_link

#: So many items are shown.
LIMIT = 12


@dataclass(frozen=True)
class Help:
    """Something to press, or (without ``url``) to know; ``posts``: it does it at once."""

    label: str
    url: str = ""
    posts: bool = False


@dataclass(frozen=True)
class Item:
    """What is waited for. ``urgent``: it does not end by itself. ``details`` is what an error says about it."""

    kind: str
    sentence: str
    helps: list[Help]
    urgent: bool = False
    details: str = ""


def children(journal: Sketch) -> list[int]:
    """The numbers of the steps among the first items whose child workflow is waited for."""
    waits = (wait for wait in journal.waits[:LIMIT] if wait.kind == WaitKind.CHILD)
    return [wait.number for wait in waits if wait.number is not None]


def items(request: HttpRequest, journal: Sketch, known: Mapping[int, UUID]) -> tuple[list[Item], int]:
    """The first items, and how many more there are; ``known`` are child workflows by number of their step."""
    shown = [Item("silence", coded(words), [], urgent=True) for words in silence_words(journal.silence)]
    shown += [_item(request, journal, wait, known) for wait in journal.waits[:LIMIT]]
    return shown, max(0, len(journal.waits) - LIMIT)


def _item(request: HttpRequest, journal: Sketch, wait: Wait, known: Mapping[int, UUID]) -> Item:
    child = None if wait.number is None else known.get(wait.number)
    helps = [each for each in _HELPS.get(wait.kind, _none)(journal.workflow.id, wait, child) if _offered(request, each)]
    if wait.blocked is None:
        return Item(wait.kind, wait_words(wait, journal.now), helps, details=_why_again(request, journal, wait))
    sentence = ", ".join(
        filter(None, (blocked_for(wait.blocked, journal.now), checked_words(wait.blocked, journal.now)))
    )
    known_helps = [Help(_advice(wait, wait.blocked, journal)), *helps]
    return Item(wait.kind, sentence, known_helps, urgent=True, details=_message(request, wait.blocked))


def _why_again(request: HttpRequest, journal: Sketch, wait: Wait) -> str:
    """The error of the attempt before, for a step that will be tried again."""
    if wait.kind != WaitKind.RETRY or wait.number is None:
        return ""
    index = bisect_left(journal.steps, wait.number, key=lambda step: step.number)
    errors = [attempt.error for attempt in journal.steps[index].attempts if attempt.error is not None]
    if not errors:
        return ""
    error = errors[-1] if may(request, PAYLOAD) else replace(errors[-1], message="")
    return _("The last attempt failed with %(error)s") % {"error": safe_text(error_words(error), 500)}


def _message(request: HttpRequest, blocked: Blocked) -> str:
    # It tells arguments of the journal beside those that the code asks for.
    if may(request, PAYLOAD):
        # What could be done about it is said below, in the reader's language.
        return safe_text(blocked.message.partition(" The code changed under a running workflow:")[0], 2000)
    return _("You need the permission to see arguments, results and errors to read more.")


def _advice(wait: Wait, blocked: Blocked, journal: Sketch) -> str:
    """What to do about what blocks it, and when it is looked at again by itself."""
    if blocked.reason == BlockedReason.CRASH_LOOP and wait.until is None:
        return _("It is not retried by itself any more. Fix the cause, then press “Retry now”.")
    advice = str(_ADVICE.get(blocked.reason, ""))
    if wait.until is None or wait.until <= journal.now:
        return advice
    return f"{advice} ".lstrip() + _("It is looked at again %(when)s.") % {"when": distance(wait.until, journal.now)}


_ADVICE: dict[BlockedReason, Any] = {
    BlockedReason.CODE_MISMATCH: gettext_lazy(
        "Deploy code that does the same up to that step, or asks step.patched() before it differs; "
        "it resumes by itself then."
    ),
    BlockedReason.UNKNOWN_DEFINITION: gettext_lazy("Deploy code that defines it; it resumes by itself then."),
    BlockedReason.CRASH_LOOP: gettext_lazy("If it stays like this, fix the cause; it resumes by itself then."),
    BlockedReason.CORRUPT_ROW: gettext_lazy("Restore the row from a backup, or restart from a step before it."),
    BlockedReason.STUCK: gettext_lazy("Deploy code that waits, or raise TURN_TIMEOUT; it resumes by itself then."),
}


def _offered(request: HttpRequest, help_: Help) -> bool:
    """Whether the user may do what this offers."""
    return all(may(request, action.permission) for action in ACTIONS.values() if f"/{action.name}/" in help_.url)


def _none(workflow_id: UUID, wait: Wait, child: UUID | None) -> Iterator[Help]:
    return iter(())


def _of_event(workflow_id: UUID, wait: Wait, child: UUID | None) -> Iterator[Help]:
    url = link("act", workflow_id, "send-event")
    yield Help(_("Send it…"), f"{url}?{urlencode({'event': wait.name})}")


def _of_retry(workflow_id: UUID, wait: Wait, child: UUID | None) -> Iterator[Help]:
    yield Help(_("Retry now"), link("act", workflow_id, "retry"), posts=True)


def _of_blocked(workflow_id: UUID, wait: Wait, child: UUID | None) -> Iterator[Help]:
    yield Help(_("Retry now"), link("act", workflow_id, "retry"), posts=True)
    yield Help(_("Cancel it…"), link("act", workflow_id, "cancel"))


def _of_child(workflow_id: UUID, wait: Wait, child: UUID | None) -> Iterator[Help]:
    if child is not None:
        yield Help(_("Look at it"), page_link(child))


def _of_place(workflow_id: UUID, wait: Wait, child: UUID | None) -> Iterator[Help]:
    yield Help(_("Raise the limit"), link("changelist").replace("/workflow/", "/pool/"))


_HELPS: dict[str, Callable[[UUID, Wait, UUID | None], Iterator[Help]]] = {
    WaitKind.EVENT: _of_event,
    WaitKind.RETRY: _of_retry,
    WaitKind.BLOCKED: _of_blocked,
    WaitKind.CHILD: _of_child,
    WaitKind.PLACE: _of_place,
}
