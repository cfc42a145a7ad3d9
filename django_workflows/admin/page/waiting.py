"""Why a workflow waits, until when, and what would help: one item for each thing that it waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest
from django.utils.translation import gettext as _

from ...core.waiting import Wait, WaitKind
from ...engine.overview import Journal
from ...words.sentences import silence_words, wait_words
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
    """What is waited for. ``urgent``: it does not end by itself."""

    kind: str
    sentence: str
    helps: list[Help]
    urgent: bool = False


def items(request: HttpRequest, journal: Journal) -> tuple[list[Item], int]:
    """The first items, and how many more there are."""
    shown = [Item("silence", coded(words), [], urgent=True) for words in silence_words(journal.silence)]
    shown += [_item(request, journal, wait) for wait in journal.waits[:LIMIT]]
    return shown, max(0, len(journal.waits) - LIMIT)


def _item(request: HttpRequest, journal: Journal, wait: Wait) -> Item:
    urgent = wait.kind == WaitKind.PROBLEM
    sentence = _problem(request, journal) if urgent else wait_words(wait, journal.now)
    helps = [each for each in _HELPS.get(wait.kind, _none)(journal, wait) if _offered(request, each)]
    return Item(wait.kind, sentence, helps, urgent)


def _problem(request: HttpRequest, journal: Journal) -> str:
    # It tells arguments of the journal beside those that the code asks for.
    if may(request, PAYLOAD):
        return safe_text(journal.workflow.problem, 2000)
    return _("It cannot go on by itself. You need the permission to see arguments, results and errors to read why.")


def _offered(request: HttpRequest, help_: Help) -> bool:
    """Whether the user may do what this offers."""
    return all(may(request, action.permission) for action in ACTIONS.values() if f"/{action.name}/" in help_.url)


def _none(journal: Journal, wait: Wait) -> Iterator[Help]:
    return iter(())


def _of_event(journal: Journal, wait: Wait) -> Iterator[Help]:
    url = link("act", journal.workflow.id, "send-event")
    yield Help(_("Send it…"), f"{url}?{urlencode({'event': wait.name})}")


def _of_retry(journal: Journal, wait: Wait) -> Iterator[Help]:
    yield Help(_("Retry now"), link("act", journal.workflow.id, "retry"), posts=True)


def _of_problem(journal: Journal, wait: Wait) -> Iterator[Help]:
    yield Help(_("Deploy code that fits its journal: it is looked at again every minute, and goes on by itself."))
    yield Help(_("Look now"), link("act", journal.workflow.id, "retry"), posts=True)
    yield Help(_("Cancel it…"), link("act", journal.workflow.id, "cancel"))


def _of_child(journal: Journal, wait: Wait) -> Iterator[Help]:
    child = None if wait.number is None else journal.children.get(wait.number)
    if child is not None:
        yield Help(_("Look at it"), page_link(child))


def _of_place(journal: Journal, wait: Wait) -> Iterator[Help]:
    yield Help(_("Raise the limit"), link("changelist").replace("/workflow/", "/pool/"))


_HELPS: dict[str, Callable[[Journal, Wait], Iterator[Help]]] = {
    WaitKind.EVENT: _of_event,
    WaitKind.RETRY: _of_retry,
    WaitKind.PROBLEM: _of_problem,
    WaitKind.CHILD: _of_child,
    WaitKind.PLACE: _of_place,
}
