"""Search by id (or how it begins), by how a key begins, or by a part of the workflow's name."""

from __future__ import annotations

import re
from uuid import UUID

from django.db.models import Q, QuerySet

from ...models import Workflow
from ...store.activity import names_in_use

_ID = re.compile(r"[0-9a-f-]{4,36}", re.IGNORECASE)


def search(rows: QuerySet[Workflow], term: str) -> QuerySet[Workflow]:
    """The rows that ``term`` means; all of them for an empty one."""
    term = term.strip()
    if not term or "\x00" in term:
        return rows if not term else rows.none()
    names = [name for name in names_in_use() if term.lower() in name.lower()]
    found = Q(key__startswith=term) | Q(idempotency_key__startswith=term)
    if names:
        found |= Q(name__in=names)
    if _ID.fullmatch(term) and (bounds := _bounds(term)):
        found |= Q(id__range=bounds)
    return rows.filter(found)


def _bounds(term: str) -> tuple[UUID, UUID] | None:
    """The first and the last id that begin so."""
    digits = term.replace("-", "")
    if len(digits) > 32 or not digits:
        return None
    return UUID(hex=digits.ljust(32, "0")), UUID(hex=digits.ljust(32, "f"))
