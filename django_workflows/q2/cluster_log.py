"""What a cluster's log says: which workflows and steps ran, and nothing of the tasks that only bring word of work."""

from __future__ import annotations

import logging

#: Tasks of ours that bring word of work, or look after it.
_OURS = tuple(f"'django_workflows.q2.tasks.{name}'" for name in ("drain", "sweep", "delete_expired"))


class WithoutDrains(logging.Filter):
    """Keeps back what django-q2 says, at INFO, of each task of ours that it processes: at DEBUG it is let through."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno != logging.INFO:
            return True
        message = str(record.msg)
        return not any(task in message for task in _OURS) or logging.getLogger("django-q").isEnabledFor(logging.DEBUG)


def quieten() -> None:
    """Put the filter before django-q2's logger, once."""
    logger = logging.getLogger("django-q")
    if not any(isinstance(each, WithoutDrains) for each in logger.filters):
        logger.addFilter(WithoutDrains())


def speak() -> None:
    """In a process of a cluster: what we say goes where django-q2's own lines go, unless the project decided on it."""
    ours, theirs = logging.getLogger("django_workflows"), logging.getLogger("django-q")
    if ours.hasHandlers() or ours.level != logging.NOTSET:
        return
    ours.setLevel(theirs.getEffectiveLevel())
    for handler in theirs.handlers:
        ours.addHandler(handler)
