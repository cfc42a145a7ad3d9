"""Workflows of the example project in every state that the admin has something to say about."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django_workflows.engine.cancel import cancel
from django_workflows.engine.send_event import send_event
from django_workflows.models import Workflow
from example_project.approvals.views import start_confirmation
from example_project.countries.workflows import compare_countries
from example_project.jobs.views import start_import, start_year
from example_project.onboarding.models import Member
from example_project.onboarding.views import sign_up
from example_project.weather.lookups import start_lookup
from tests.app import workflows as tests_workflows
from tests.engine.driver import advance, claim, run

CITIES = ("Paris", "Tokyo", "Nairobi", "Lima", "Sydney", "Cairo", "Oslo", "Quito")


@dataclass
class Shop:
    """Ids of some of the workflows."""

    waiting: UUID
    long: UUID
    parent: UUID
    parked: UUID
    retried: UUID
    failed: UUID
    wide: UUID


def fill() -> Shop:
    """Start them and run them, in this process, as far as they go."""
    weather = [start_lookup(city) for city in CITIES]
    retried = tests_workflows.retried.with_options(idempotency_key="invoice-2026-118").start("flaky mail server", 3)
    waiting = start_confirmation("a slogan for the tea shop")
    parent = compare_countries.start(["Norway", "Kenya", "Atlantis"])
    failed = tests_workflows.fails.with_options(idempotency_key="order-4711").start("The card was declined.")
    wide = tests_workflows.fan_out_and_retry.start("resize", 24)
    canceled = start_year("Lima")
    cancel(canceled)
    start_import("name,country\n")
    long = _onboarding()
    run()
    parked = start_confirmation("a poem about rain")
    run()
    Workflow.objects.filter(id=parked).update(
        problem="The journal does not fit the code at step 1: recorded was mutation show_proposals, "
        "the code asks for action check_spelling."
    )
    assert weather
    return Shop(waiting, long, parent, parked, retried, failed, wide)


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


__all__ = ["Shop", "claim", "fill"]
