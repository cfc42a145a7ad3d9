"""A copy of the database that was taken while work went on: what runs on from it ends as if nothing had been."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core import serializers
from django.db import connection, transaction

from django_workflows.engine.drain import drain
from django_workflows.engine.worker import Worker
from django_workflows.models import Event, Pool, Step, Workflow
from tests.app.models import Effect
from tests.battery.ending import bring_to_an_end
from tests.battery.observation import observed, start_over
from tests.battery.verbs import SHAPES, begin
from tests.engine.conftest import Elsewhere
from tests.engine.driver import become_another_process
from tests.engine.dying import Died, deadly
from tests.races import flows

#: Tables in the order in which rows refer to each other.
MODELS = [Pool, Workflow, Step, Event, Effect]


def load() -> None:
    for shape in ("sequence", "side by side", "children", "waits", "anew"):
        begin(SHAPES[shape], idempotency_key=shape)


@contextmanager
def copied_at(place: int, copy: Any) -> Iterator[None]:
    """Work ends before the statement of that number, where ``copy`` is called in another connection."""
    count = 0

    def look(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal count
        count += 1
        if count == place:
            Elsewhere()(copy)
        if count >= place:
            raise Died("the machine burns down")
        return execute(sql, params, many, context)

    try:
        with deadly(), connection.execute_wrapper(look):
            yield
    except Died:
        pass


def expected() -> dict[str, Any]:
    start_over()
    load()
    bring_to_an_end()
    return observed()


PLACES = [1, 5, 12, 25, 40, 55, 70]


@pytest.mark.sqlite
@pytest.mark.parametrize("place", PLACES)
def test_sqlites_online_backup_goes_on(place: int, tmp_path: Path) -> None:
    wanted = expected()
    start_over()
    load()
    name = str(connection.settings_dict["NAME"])
    copy = tmp_path / "copy.sqlite3"

    def back_up() -> None:
        source, target = sqlite3.connect(name), sqlite3.connect(copy)
        source.backup(target)
        source.close()
        target.close()

    with copied_at(place, back_up):
        drain(Worker(), seconds=20)
    acted = list(flows.acted)
    become_another_process()
    restored, target = sqlite3.connect(copy), sqlite3.connect(name)
    restored.backup(target)
    restored.close()
    target.close()
    flows.acted[:] = acted
    bring_to_an_end()
    assert observed() == wanted


@pytest.mark.postgres
@pytest.mark.parametrize("place", PLACES)
def test_a_dump_of_one_snapshot_goes_on(place: int) -> None:
    """As ``pg_dump`` takes it: every table in one REPEATABLE READ transaction, while others write."""
    wanted = expected()
    start_over()
    load()
    dumped = io.StringIO()

    def dump() -> None:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            rows = [row for model in MODELS for row in model.objects.order_by("pk")]
            serializers.serialize("json", rows, stream=dumped)

    with copied_at(place, dump):
        drain(Worker(), seconds=20)
    acted = list(flows.acted)
    start_over()
    flows.acted[:] = acted
    with transaction.atomic():
        for each in serializers.deserialize("json", dumped.getvalue()):
            each.save()
    with connection.cursor() as cursor:
        for model in (Step, Effect):
            table = model._meta.db_table
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) + 1 FROM {table}))")
    become_another_process()
    bring_to_an_end()
    assert observed() == wanted
