"""The versions of django-q2 that this cluster was tested with; it uses more of django-q2's insides than its API."""

from __future__ import annotations

import logging
from importlib.metadata import PackageNotFoundError, version

logger = logging.getLogger("django_workflows")

TESTED = ("1.11.0", "1.11.1")


def installed() -> str:
    """The version of django-q2 that is installed; "" if it cannot be told."""
    try:
        return version("django-q2")
    except PackageNotFoundError:
        return ""


def is_tested() -> bool:
    return installed() in TESTED


def warn_if_untested() -> None:
    if not is_tested():
        logger.warning(
            "`manage.py workflows cluster` was tested with django-q2 %s, and %s is installed. "
            "`manage.py qcluster` makes fewer assumptions.",
            " and ".join(TESTED),
            installed() or "an unknown version",
        )
