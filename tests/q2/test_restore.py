"""A dump taken while a cluster works, restored after a power cut: every workflow comes to its one right end."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from django_workflows.models import Step, Workflow
from tests.app.chaos_steps import LOG
from tests.app.models import Mark
from tests.chaos.plan import Planned, plan
from tests.chaos.traffic import Traffic
from tests.chaos.verdict import Notes, judge
from tests.cluster import HARDENED, Cluster
from tests.engine.driver import become_another_process
from tests.postgres import PostgresServer
from tests.q2.conftest import SHORT_LEASE
from tests.waiting import PATIENCE, wait_for

Clusters = Callable[..., Cluster]
COUNT, SECONDS = 90, 4.0


def planned() -> list[Planned]:
    """All but actions without retry, which may run again if the dump does not know that they ran."""
    return [each for each in plan(COUNT, random.Random(5)) if each.shape not in ("at_most_once", "flock", "flies")]


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "effects.log"
    monkeypatch.setenv(LOG, str(path))
    return path


def work(start: Clusters, todo: list[Planned], spread: float) -> tuple[Cluster, Traffic]:
    running = start(command=HARDENED, workflows=SHORT_LEASE, q={"workers": 3})
    traffic = Traffic(todo, spread)
    traffic.start()
    return running, traffic


def under_load(start: Clusters, todo: list[Planned], dump: Callable[[], None]) -> None:
    """Dump in the midst of the work, go on for a while, and cut the power."""
    running, traffic = work(start, todo, SECONDS)
    wait_for(lambda: Workflow.objects.exclude(state="in_progress").count() > 15, message="there is no load")
    before = Step.objects.count()
    assert Workflow.objects.filter(state="in_progress").exists()
    dump()
    wait_for(lambda: Step.objects.count() > before + 30, message="nothing went on after the dump")
    traffic.join(PATIENCE)
    running.kill()


def it_goes_on(start: Clusters, todo: list[Planned], notes: Path, record: Callable[[str, object], None]) -> None:
    """Clients ask again for what they are not sure of, as they have to after a restore."""
    become_another_process()
    held = Counter(Workflow.objects.values_list("state", flat=True))
    assert held["in_progress"] > 0
    assert held.total() > held["in_progress"]
    effects = Mark.objects.count()
    running, traffic = work(start, todo, 0)
    traffic.join(PATIENCE)
    assert traffic.error is None
    wait_for(lambda: not Workflow.objects.filter(state="in_progress").exists(), message="they do not end")
    assert running.stop() == 0
    verdict = judge(todo, traffic.ids, Notes(notes))
    assert verdict.broken == []
    record(
        "figures",
        f"restored under load on {connection.vendor}: {dict(held)} and {effects} effects in the dump; "
        f"{len(todo)} workflows reached their end, with {Mark.objects.count()} effects, each once",
    )


@pytest.mark.postgres
def test_pg_dump_and_pg_restore(
    server: PostgresServer,
    cluster: Clusters,
    notes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    todo, dump = planned(), str(tmp_path / "dump")
    under_load(cluster, todo, lambda: server.run("pg_dump", "--format=custom", f"--file={dump}", "postgres"))
    server.run("createdb", "restored")
    server.run("pg_restore", "--exit-on-error", "--dbname=restored", dump)
    connection.close()
    # The fixture puts the usual settings back.
    connection.settings_dict["NAME"] = "restored"
    monkeypatch.setenv("DATABASE_URL", server.dsn.replace("/postgres?", "/restored?"))
    it_goes_on(cluster, todo, notes, record_property)


@pytest.mark.sqlite
def test_sqlites_online_backup(
    cluster: Clusters, notes: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    todo, name, dump = planned(), str(connection.settings_dict["NAME"]), tmp_path / "copy.sqlite3"
    under_load(cluster, todo, lambda: copy(name, dump))
    connection.close()
    copy(dump, name)
    it_goes_on(cluster, todo, notes, record_property)


def copy(source: str | Path, target: str | Path) -> None:
    """As the shell's `.backup` does, also while others write."""
    reader, writer = sqlite3.connect(source, timeout=PATIENCE), sqlite3.connect(target, timeout=PATIENCE)
    try:
        reader.backup(writer)
    finally:
        reader.close()
        writer.close()
