"""A logging filter that says of every record which workflow, step and attempt it was written in."""

from __future__ import annotations

import logging

from .engine.current import running_step

_FIELDS = ("workflow_id", "workflow", "step_number", "step", "attempt")


class StepFilter(logging.Filter):
    """Lets every record pass, with ``workflow_id``, ``workflow``, ``step_number``, ``step`` and ``attempt`` set.

    They are those of the step whose function is running, whoever logs: your code, Django, a library. Outside of a step
    they are "" (and ``None`` for the numbers), so that a format may name them always. What a record says itself stays.

    Put it on the handlers: ``"filters": {"step": {"()": "django_workflows.logs.StepFilter"}}``.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        step = running_step()
        if step is None:
            found: tuple[object, ...] = ("", "", None, "", None)
        else:
            found = (str(step.workflow_id), step.workflow_name, step.number, step.name, step.attempt)
        for field, value in zip(_FIELDS, found, strict=True):
            if not hasattr(record, field):
                setattr(record, field, value)
        return True
