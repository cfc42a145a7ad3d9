"""Checks that ask the database, for ``manage.py workflows doctor``.

Not registered with Django, which would run them before each ``migrate``, when they cannot be right yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.core.checks import CheckMessage

from .code import check_definitions
from .durability import check_durability
from .health import check_journal
from .schema import check_schema
from .sweep import check_sweep

#: What to look at, in an order in which the later ones need the earlier ones: "error" ends the examination.
CHECKS: dict[str, Callable[[], Iterable[CheckMessage]]] = {
    "schema": check_schema,
    "durability": check_durability,
    "sweep": check_sweep,
    "code": check_definitions,
    "journal": check_journal,
}
