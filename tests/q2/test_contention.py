"""Two clusters and a site write to one SQLite file, and nobody is told that the database is locked."""

import subprocess
import sys
import time

import pytest

from django_workflows.models import Workflow
from tests.app.cluster_workflows import everything
from tests.app.models import Counter, Effect
from tests.cluster import HARDENED, ROOT, _environment
from tests.q2.conftest import Log
from tests.waiting import PATIENCE, wait_for


@pytest.mark.sqlite
def test_nobody_is_told_that_the_database_is_locked(cluster, log: Log) -> None:
    clusters = [cluster(command=HARDENED, q={"workers": 3}) for _ in range(2)]
    command = [sys.executable, "manage.py", "web_writer", log.path, "--seconds", "3"]
    sites = [
        subprocess.Popen(command, cwd=ROOT, env=_environment({}, None, {}), stdout=-1, stderr=-1, text=True)
        for _ in range(2)
    ]
    started = 0
    while any(site.poll() is None for site in sites):
        everything.start(log.path, f"e{started}")
        started += 1
        time.sleep(0.05)
    outputs = [site.communicate(timeout=PATIENCE) for site in sites]
    assert [site.returncode for site in sites] == [0, 0], outputs
    wait_for(lambda: not Workflow.objects.filter(state="in_progress").exists(), message="they do not end")
    count = sum(int(out.split()[0]) for out, _ in outputs)
    assert Counter.objects.get(name="web").value == count > 50, "an update of the site's was lost"
    assert Effect.objects.count() == 2 * started
    assert not Workflow.objects.exclude(state="completed").exists()
    for running in clusters:
        assert "locked" not in running.log
        assert running.stop() == 0
