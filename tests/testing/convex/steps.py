"""The step functions of the examples: what talks to the world is faked by the tests, the rest writes rows."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from uuid import UUID

from django_workflows import current_step
from tests.app.models import Counter, Effect


@dataclass
class Place:
    name: str
    latitude: float
    longitude: float


@dataclass
class Weather:
    temperature: float


@dataclass
class Forecast:
    name: str
    temperature: float


@dataclass
class Draft:
    text: str
    needs_human_input: bool


@dataclass
class Payment:
    order_id: int
    amount: int


def note(key: str, value: object = "") -> None:
    Effect.objects.create(key=key, value=json.dumps(value))


def noted(prefix: str = "") -> list[str]:
    return list(Effect.objects.filter(key__startswith=prefix).order_by("id").values_list("key", flat=True))


def value_of(key: str) -> object:
    return json.loads(Effect.objects.get(key=key).value)


# -- weather


def get_geocoding(location: str) -> Place:
    raise AssertionError("a test must not use the network")


async def get_weather(latitude: float, longitude: float) -> Weather:
    raise AssertionError("a test must not use the network")


def update_flow(workflow_id: UUID, out: Forecast) -> None:
    note(f"flow {workflow_id}", [out.name, out.temperature])


# -- approvals


def generate_proposals(prompt: str) -> list[str]:
    raise AssertionError("a test must not ask a language model")


# -- children


def process(data: str) -> None:
    note(f"processed {data}")


def complete(length: int) -> None:
    note(f"complete {length}")


# -- mails


def send_mail(kind: str, user_id: int) -> None:
    note(f"{kind} to {user_id}")


def send_verification_email(user_id: int) -> str:
    note(f"verification to {user_id}")
    return "needsVerification" if user_id % 2 else "verified"


def generate_custom_content(user_id: int) -> Draft:
    raise AssertionError("a test must not ask a language model")


def refine(user_id: int) -> str:
    note(f"refined for {user_id}")
    return "refined"


# -- retries


def unreliable(name: str) -> str:
    raise AssertionError("a test must not use the network")


# -- payments


def process_payment(order_id: int, amount: int) -> Payment:
    """Does nothing where the order has been paid before."""
    row, _ = Effect.objects.get_or_create(key=f"payment {order_id}", defaults={"value": json.dumps(amount)})
    return Payment(order_id, json.loads(row.value))


# -- jobs


def process_chunk(job_id: int, chunk: int) -> None:
    note(f"chunk {chunk} of {job_id}")


def update_progress(job_id: int, progress: float) -> None:
    Counter.objects.update_or_create(name=f"job {job_id}", defaults={"value": round(progress * 100)})


def long_operation(job_id: int) -> str:
    raise AssertionError("a test must not take long")


def wait_until_told_to_stop() -> None:
    until = time.monotonic() + 60
    while not current_step().canceled():
        assert time.monotonic() < until, "nobody told the step that it was canceled"
        time.sleep(0.01)


def clean_up_after(job_id: int) -> None:
    note(f"cleaned up after {job_id}")
