"""Starts many workflows of one definition at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from ..core.commands import check_name
from ..core.definitions import Definition
from ..core.entries import NewWorkflow
from ..exceptions import InvalidArguments, InvalidStep
from ..models import uuid7
from ..store import workflows
from ..store.new_workflows import find_by_idempotency_keys, insert_many
from ..store.once import once
from . import announce, tracing
from .callbacks import seal
from .dispatch import wake
from .inside import refuse_to_write
from .start import StartOptions, delay_of, new_workflow


def start_many(
    definition: Definition[Any, Any],
    arguments: Sequence[str],
    options: StartOptions,
    idempotency_keys: Iterable[str | None] | None = None,
) -> list[UUID]:
    """Store a workflow for each JSON text of valid arguments, all or none; their ids, in that order.

    ``idempotency_keys``: one for each, or ``None`` for those without; the id of a key that is taken is the first one's.
    Raises ``InvalidArguments`` for options that say something of one workflow.
    """
    keys = _checked(options, len(arguments), idempotency_keys)
    if not arguments:
        return []
    refuse_to_write("start_many")
    with tracing.starting(definition.name) as started:
        first = new_workflow(definition, arguments[0], options, started.context)
        news = [_another(first, args, key) for args, key in zip(arguments, keys, strict=True)]
        ids: dict[UUID, UUID] = {}
        once(lambda: _store(news, options, ids), lambda: _are_stored(news, ids) or None)
        return [ids[new.id] for new in news]


def _store(news: list[NewWorkflow], options: StartOptions, ids: dict[UUID, UUID]) -> bool:
    """Store them; ``ids`` says then which workflow each of them is."""
    stored = insert_many(news)
    ids.update((new.id, new.id) for new in news)
    missing = [new for new in news if new.id not in stored]
    while missing:  # their keys are taken, or were until a moment ago
        keys = [new.idempotency_key for new in missing if new.idempotency_key is not None]
        taken = find_by_idempotency_keys(missing[0].name, keys)
        ids |= {new.id: taken[new.idempotency_key] for new in missing if new.idempotency_key in taken}
        missing = [new for new in missing if new.idempotency_key not in taken]
        again = insert_many(missing)
        stored |= again
        missing = [new for new in missing if new.id not in again]
    for new in news:
        if new.id in stored:
            announce.workflow_started(new.id, new.name)
    wake(news[0].queue, delay_of(options), len(stored))
    return True


def _are_stored(news: list[NewWorkflow], ids: dict[UUID, UUID]) -> bool:
    """Whether those are there that ``_store`` would have made."""
    made = [new for new in news if ids[new.id] == new.id]
    return bool(made) and workflows.version(made[0].id) is not None


def _another(first: NewWorkflow, args: str, key: str | None) -> NewWorkflow:
    workflow_id = uuid7()
    sealed = seal(workflow_id, first.on_complete)
    return replace(first, id=workflow_id, args=args, idempotency_key=key, on_complete_seal=sealed)


def _checked(options: StartOptions, count: int, keys: Iterable[str | None] | None) -> list[str | None]:
    if options.idempotency_key is not None or options.key is not None:
        raise InvalidArguments("start_many: a key is one workflow's; give idempotency_keys, one for each")
    if not options.start_async:
        raise InvalidArguments("start_many: start_async=False runs one handler at once; start that one by itself")
    found: list[str | None] = [None] * count if keys is None else list(keys)
    if len(found) != count:
        raise InvalidArguments(f"start_many: {count} workflows need as many idempotency_keys, not {len(found)}")
    try:
        for key in found:
            if key is not None:
                check_name(key, what="idempotency_keys")
    except InvalidStep as error:
        raise InvalidArguments(f"start_many: {error}") from None
    return found
