"""Workflows of the example project in every state that the admin has something to say about."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage
from django.test import Client, override_settings

from django_workflows import WorkflowContext
from django_workflows.core.registry import registry
from django_workflows.engine.send_event import send_event
from django_workflows.engine.worker import Worker
from django_workflows.models import Workflow
from django_workflows.store import database
from example_project.approvals.models import Request
from example_project.approvals.steps import write_proposals
from example_project.approvals.views import start_confirmation
from example_project.approvals.workflows import confirmation
from example_project.approvals.workflows import workflow as approvals
from example_project.countries.workflows import compare_countries
from example_project.jobs.views import start_year
from example_project.onboarding.models import Member
from example_project.onboarding.views import sign_up
from example_project.series.workflows import subscribe
from example_project.weather.cities import all_cities
from example_project.weather.lookups import start_lookup
from tests.admin.pages import confirm
from tests.engine.driver import advance, become_another_process, finish, run

CITIES = ("Paris", "Tokyo", "Nairobi", "Lima", "Sydney", "Cairo", "Oslo", "Quito")


@dataclass
class Shop:
    """Ids of some of the workflows."""

    waiting: UUID
    long: UUID
    parent: UUID
    blocked: UUID
    retrying: UUID
    failed: UUID
    canceled: UUID
    wide: UUID


def fill() -> Shop:
    """Start them and run them, in this process, as far as they go."""
    long = _onboarding()
    for city in CITIES:
        _ran(start_lookup(city))
    parent = _ran(compare_countries.start(["Norway", "Kenya", "Atlantis"]))
    waiting = _ran(start_confirmation("a slogan for the tea shop"))
    wide = _ran(compare_countries.start([*_countries(23), "Atlantis"]))
    failed = _failed()
    canceled = _canceled()
    _ran(start_year("Lima"))
    retrying = _retrying()
    # The last one: it would go on, with the code that is back, as soon as somebody looks.
    blocked = _blocked()
    Worker().beat()
    return Shop(waiting, long, parent, blocked, retrying, failed, canceled, wide)


def _ran(workflow_id: UUID) -> UUID:
    run()
    advance(1)
    run()
    return workflow_id


def _onboarding() -> UUID:
    """One that waited for a person, then for a child, and now for the next day."""
    member = sign_up(Member(name="Ann", email="ann@example.com", interest=""))
    assert member.workflow_id is not None
    run()
    advance(timedelta(minutes=8))
    send_event(member.workflow_id, "verificationEmail", {"verified": True}, from_outside=True)
    run()
    child = Workflow.objects.get(parent=member.workflow_id)
    advance(timedelta(hours=7))
    send_event(child.id, "refined", {"text": "Welcome, Ann!"}, from_outside=True)
    run()
    return member.workflow_id


def _countries(count: int) -> list[str]:
    return sorted({city.country for city in all_cities()})[:count]


def _failed() -> UUID:
    """A service was down for longer than its retries last."""
    with override_settings(WEATHER_SERVICE_FAIL_EVERY=1):
        workflow_id = start_lookup("Vienna")
        assert finish(workflow_id).type == "failed"
    return workflow_id


def _canceled() -> UUID:
    """Somebody canceled it in the admin, and said why."""
    member = sign_up(Member(name="Bob", email="bob@example.com", interest="chess"))
    assert member.workflow_id is not None
    run()
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("nina"))
    confirm(client, member.workflow_id, "cancel", because="He asked us to.")
    return member.workflow_id


async def _checks_spelling_first(step: WorkflowContext, prompt: str) -> str:
    """The code as somebody changed it, without a thought of those that were waiting."""
    corrected = await step.with_options(name="check_spelling").run_action(write_proposals, prompt)
    return corrected[0]


def _blocked() -> UUID:
    """Its code was changed while it waited for an answer."""
    workflow_id = _ran(start_confirmation("a poem about rain"))
    with _deployed(_checks_spelling_first):
        send_event(workflow_id, "approval", {"approved": True, "choice": 1}, from_outside=True)
        run()
    assert Request.objects.filter(workflow_id=workflow_id, outcome="").exists()
    return workflow_id


def _retrying() -> UUID:
    """No mail goes out, so it is tried again after 5, 15, 45 and then 135 seconds."""
    refusals = [ConnectionRefusedError(111, "Connection refused") for _ in range(9)]
    with patch.object(EmailMessage, "send", side_effect=refusals):
        workflow_id = subscribe("Cleo", "cleo@example.com")
        for seconds in (0, 6, 17, 50):
            advance(seconds)
            run()
    return workflow_id


@contextmanager
def standing_still() -> Iterator[Callable[[], None]]:
    """Makes the engine's clock stand where it was, each time that the function is called."""
    began, offset = time.monotonic(), database.clock_offset

    def again() -> None:
        database.clock_offset = offset - timedelta(seconds=time.monotonic() - began)
        database.clock.forget()

    yield again


async def _with_a_patch(step: WorkflowContext, prompt: str) -> str:
    """The same change, guarded as it should have been."""
    if step.patched("check spelling first"):
        await step.with_options(name="check_spelling").run_action(write_proposals, prompt)
    return str(await confirmation.handler(step, prompt))


@contextmanager
def patched() -> Iterator[None]:
    """The code of approvals is changed with care, and one more of them is begun."""
    with _deployed(_with_a_patch):
        _ran(start_confirmation("a riddle about tea"))
        yield


@contextmanager
def _deployed(handler: Callable[..., Any]) -> Iterator[None]:
    registry.remove(confirmation.name)
    become_another_process()
    approvals.define(name=confirmation.name)(handler)
    try:
        yield
    finally:
        registry.remove(confirmation.name)
        registry.add(confirmation)
        become_another_process()


def only_the_examples(monkeypatch: Any) -> None:
    """Leave the definitions of the tests out of pictures."""
    ours = {each.name: each for each in registry if each.name.startswith("example_project.")}
    monkeypatch.setattr(registry, "_definitions", ours)


__all__ = ["Shop", "fill", "only_the_examples", "patched", "standing_still"]
