"""The reference names every signal, with the arguments that it is sent with."""

import re
from pathlib import Path

from django.dispatch import Signal

from django_workflows import signals
from tests.app import workflows as flows
from tests.engine.driver import finish

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "signals.md"


def described():
    rows = re.findall(r"^\| `(\w+)` \| .+ \| (`.+`) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", arguments)) for name, arguments in rows}


def listen(arguments):
    def receive(signal, sender, **values):
        arguments.update(values)

    return receive


def test_every_signal_is_described_with_its_arguments():
    heard = {name: set() for name, value in vars(signals).items() if isinstance(value, Signal)}
    receivers = {name: listen(arguments) for name, arguments in heard.items()}
    for name, receive in receivers.items():
        getattr(signals, name).connect(receive)
    try:
        finish(flows.retried.start("n", 2))
    finally:
        for name, receive in receivers.items():
            getattr(signals, name).disconnect(receive)
    assert described() == heard
