"""What is recorded of a step's outcome comes back as its type, or is an error that names the step."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from django_workflows.core.commands import Outcome
from django_workflows.core.context import _decode_uuid
from django_workflows.core.outcomes import settle
from django_workflows.exceptions import InvalidPayload


@pytest.mark.parametrize(
    ("decode", "recorded"),
    [(_decode_uuid, '"no id"'), (_decode_uuid, "17"), (json.loads, "no json"), (json.loads, "[" * 100_000)],
    ids=["no id", "a number", "no json", "deep"],
)
def test_a_recorded_result_that_is_none_names_its_step(decode: Callable[[str], Any], recorded: str) -> None:
    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(InvalidPayload, match="the result of step 3: "):
            settle(loop.create_future(), "create_event", "made", decode, Outcome(3, recorded))
    finally:
        loop.close()
