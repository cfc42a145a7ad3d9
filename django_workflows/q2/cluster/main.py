"""The main process: starts the sentinel, starts it again when it dies, and passes on that it is time to stop."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections import deque
from random import uniform
from typing import Any

from django_q.cluster import Cluster

from ...engine.outage import outage
from .crew import spawn
from .flags import Flag
from .member import SIGNALS
from .probe import Answer, ask
from .sentinel import run_sentinel
from .versions import warn_if_untested

logger = logging.getLogger("django_workflows")

#: So many deaths of the sentinel in so many seconds, and whoever supervises this process must know.
_DEATHS, _WITHIN = 5, 60.0
_PAUSE = 0.5
_HINT = "The cluster waits, and resumes by itself when it is back."
#: Seconds between two questions to a database that is away, at first and at the most; between two looks at a signal.
_FIRST, _MOST, _TICK = 0.5, 5.0, 0.1


def run(name: str | None = None) -> int:
    """Run a cluster in this process until a signal ends it; its exit code.

    ``name`` is that of its queue, where it is not the one in ``Q_CLUSTER``. 0: it was told to stop, and everything
    ended well. 1: the sentinel died again and again, or while the cluster was stopping; or no waiting would help: the
    database does not exist, does not let its user in, or lacks tables. A database that is away is waited for.
    """
    if name and os.environ.get("Q_CLUSTER_NAME") != name:
        # django-q2 reads the name once, when it is imported.
        os.environ["Q_CLUSTER_NAME"] = name
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this very command again
    warn_if_untested()
    return HardenedCluster().run()


class HardenedCluster(Cluster):
    """django-q2's cluster, whose signals do no more than set a flag."""

    def __init__(self) -> None:
        super().__init__()
        self.stop_event, self.start_event = Flag(), Flag()
        for number in SIGNALS:
            signal.signal(number, self.sig_handler)

    def sig_handler(self, signum: int, frame: Any) -> None:
        self.stop_event.set()

    def run(self) -> int:
        deaths: deque[float] = deque(maxlen=_DEATHS)
        logging.getLogger("django-q").info("Q Cluster %s starting.", self.name)
        answer, _ = self._wait_for_database(patient=False)
        if answer.wrong:
            logger.critical("%s, and start the cluster again: no waiting would help", answer.wrong.rstrip("."))
            return 1
        while not self.stop_event.is_set():
            self.start_event.clear()
            self.sentinel = spawn(run_sentinel, self.stop_event, self.start_event, self.cluster_id, daemon=False)
            self.sentinel.join()
            code = self.sentinel.exitcode
            if self.stop_event.is_set() or code == 0:
                logging.getLogger("django-q").info("Q Cluster %s has stopped.", self.name)
                return 0 if code == 0 else 1
            away = outage.lasts
            _, waited = self._wait_for_database(patient=True)
            if away or waited:
                continue  # it may have died of that, and an outage is no crash
            deaths.append(time.monotonic())
            if len(deaths) == _DEATHS and deaths[-1] - deaths[0] < _WITHIN:
                logger.critical("The sentinel died %d times in %d s: the cluster gives up", _DEATHS, _WITHIN)
                return 1
            logger.critical("The sentinel died (exit code %s), and its processes with it: starting another", code)
            time.sleep(_PAUSE)
        return 0  # told to stop when nothing ran any more

    def _wait_for_database(self, *, patient: bool) -> tuple[Answer, bool]:
        """Ask until the database can be used, or it is time to stop; the last answer, and whether there was another.

        ``patient``: also where waiting seems to be of no use, since it could be used before.
        """
        pause, waited = _FIRST, False
        while True:
            answer = ask(self.stop_event.is_set)
            if answer.well or self.stop_event.is_set() or (answer.wrong and not patient):
                break
            waited = True
            outage.noticed(
                answer.away or answer.wrong, hint="The cluster waits, and resumes by itself when it is back."
            )
            self._sleep(pause * uniform(0.75, 1.25))  # noqa: S311 - jitter, no secret
            pause = min(_MOST, 2 * pause)
        if answer.well:
            outage.over()
        return answer, waited

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.stop_event.is_set():
            time.sleep(_TICK)
