"""Nothing imports this but a worker that believes what a row says. Importing it, or calling it, leaves a trace."""

from tests.app import steps

steps.calls.append(("the trap was imported",))


def snap(*args: object, **kwargs: object) -> str:
    steps.calls.append(("the trap was called", args, kwargs))
    return "snapped"
