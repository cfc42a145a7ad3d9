"""The sentinel: keeps one crew at work, whatever happens to any of its processes. It does not use the database."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections import deque
from multiprocessing import connection
from typing import Any
from uuid import UUID

from django import db
from django_q.cluster import Sentinel
from django_q.conf import Conf
from django_q.humanhash import humanize
from django_q.status import Stat

from ...engine.outage import outage
from ...store.transient import is_away
from .crew import GRACE, Crew, Hand, kill
from .errands import Errands
from .flags import Flag
from .member import SIGNALS
from .parents import end_with_parent, is_orphan
from .wedges import WedgeWatch

logger = logging.getLogger("django_workflows")

#: Seconds between two looks at the stop flag; a death is noticed at once.
_TICK = 0.1
#: So many crews in so many seconds are too many: the next one waits a while.
_CREWS, _WITHIN, _PAUSE = 5, 10.0, 1.0


def run_sentinel(stop: Flag, running: Flag, cluster_id: UUID, parent: int) -> None:
    """The sentinel's process, until ``stop`` is set or its main process dies. Leaves no child behind."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    sentinel: HardenedSentinel | None = None
    try:
        sentinel = HardenedSentinel(stop, running, cluster_id, parent)
        sentinel.start()
    except BaseException as error:
        if is_away(error):
            outage.noticed(error)
        else:
            logger.exception("The sentinel failed")
        if sentinel is not None:
            sentinel.kill_all()
        os._exit(1)


class HardenedSentinel(Sentinel):
    """django-q2's sentinel with crews that are replaced as a whole.

    A worker that ends as it should (recycled, or its task's time was over) is replaced by itself. Any other death may
    have left a lock of the crew's queues taken for ever, so the crew is retired: its workers end after what they have
    in hand, while the next crew is at work already.
    """

    def __init__(self, stop: Flag, running: Flag, cluster_id: UUID, parent: int) -> None:
        self.crew: Any = None
        self.former: list[Crew] = []
        self.begun: deque[float] = deque(maxlen=_CREWS)
        super().__init__(stop, running, cluster_id, start=False)
        self.parent_pid = parent
        self.errands = Errands(self.broker)
        self.wedges = WedgeWatch()
        for number in SIGNALS:
            signal.signal(number, self._on_signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        end_with_parent(parent, signal.SIGTERM)

    def _on_signal(self, number: int, frame: Any) -> None:
        if number != signal.SIGINT or is_orphan(self.parent_pid):  # Ctrl-C is for the main process
            self.stop_event.set()

    # -- what django-q2's own monitoring asks

    def status(self) -> str:
        if self.stop_event.is_set():
            return str(Conf.STOPPING if self.pool else Conf.STOPPED)
        if not self.start_event.is_set():
            return str(Conf.STARTING)
        idle = self.result_queue.empty() and self.task_queue.empty()
        return str(Conf.IDLE if idle else Conf.WORKING)

    def _adopt(self, crew: Crew) -> None:
        self.crew = crew
        self.task_queue, self.result_queue = crew.task_queue, crew.result_queue
        self._note()

    def _note(self) -> None:
        self.pool = [hand.process for hand in self.crew.hands]
        self.monitor, self.pusher = self.crew.monitor, self.crew.pusher

    # -- the life of a crew

    def spawn_cluster(self) -> None:
        self._new_crew()

    def _new_crew(self) -> None:
        db.connections.close_all()
        crew = Crew(self.broker, self.timeout)
        self.begun.append(time.monotonic())
        self._adopt(crew)
        crew.start(self.pool_size)
        self._note()

    def renew(self, why: str) -> None:
        """Retire the crew, and let another one go on."""
        logger.critical("%s: a new crew takes over, with queues of its own", why)
        self.reincarnations += 1
        self.crew.retire()
        self.former.append(self.crew)
        self._new_crew()

    # -- the loop

    def guard(self) -> None:
        name = f"{humanize(self.cluster_id.hex)} [{self.queue_name()}]"
        logging.getLogger("django-q").info("Process %s guarding cluster %s", self.pid, name)
        self.start_event.set()
        logging.getLogger("django-q").info("Q Cluster %s running.", name)
        looked_at, saved_at = time.monotonic(), 0.0
        while not self._over():
            now = time.monotonic()
            self._look(now - looked_at)
            looked_at = now
            if now - saved_at >= Conf.GUARD_CYCLE:
                Stat(self).save()
                saved_at = now
            self._wait()
        self.stop()

    def _over(self) -> bool:
        return bool(self.stop_event.is_set()) or is_orphan(self.parent_pid)

    def _wait(self) -> None:
        """Until a process of the crew dies, or for a moment."""
        connection.wait([process.sentinel for process in self.crew.processes() if process.is_alive()], _TICK)

    def _look(self, seconds: float) -> None:
        for crew in self.former:
            self.crew.carry(crew.leftovers())
        self.former = [crew for crew in self.former if not crew.end(seconds)]
        self.errands.look()
        why = self._tend(seconds) or self.wedges.look(self.crew)
        if why and self._may_renew():
            self.renew(why)
        self._note()

    def _may_renew(self) -> bool:
        now = time.monotonic()
        many = len(self.begun) == _CREWS and now - self.begun[0] < _WITHIN
        return not many or now - self.begun[-1] > _PAUSE

    def _tend(self, seconds: float) -> str:
        """Replace who ended as it should; what has to be said when somebody did not."""
        crew = self.crew
        for hand in list(crew.hands):
            if hand.process.is_alive():
                hand.count_down(seconds)
                if hand.overdue(told=False):
                    kill(hand.process)
            elif hand.process.exitcode == 0:
                crew.hands.remove(hand)
                crew.add_worker()
                self._say_replaced(hand)
            else:
                return f"Worker {hand.process.pid} died ({_how(hand.process)})"
        return self._miss_others(crew)

    def _miss_others(self, crew: Crew) -> str:
        for name, each in (("monitor", crew.monitor), ("pusher", crew.pusher)):
            if each is not None and not each.is_alive():
                return f"The {name} died ({_how(each)})"
        for each in list(crew.carriers):
            if not each.is_alive():
                crew.carriers.remove(each)
                if each.exitcode:
                    return f"A carrier died ({_how(each)})"
        return ""

    def _say_replaced(self, hand: Hand) -> None:
        self.reincarnations += 1
        if hand.expired:
            logger.critical("Worker %s ran past its task's timeout, and was replaced", hand.process.pid)
        else:
            logger.info("Worker %s ended, and was replaced", hand.process.pid)

    # -- the end

    def stop(self) -> None:
        """End the crew within the steps that run; at once, or nearly so, when the main process has died."""
        logger.info("Sentinel %s stops its processes", self.pid)
        orphan_until: float | None = None
        self.crew.retire()
        crews, looked_at = [*self.former, self.crew], time.monotonic()
        while crews:
            now = time.monotonic()
            crews = [crew for crew in crews if not crew.end(now - looked_at)]
            looked_at = now
            if is_orphan(self.parent_pid):
                orphan_until = orphan_until or now + GRACE
                if now > orphan_until:
                    break
            self._note()
            Stat(self).save()
            time.sleep(_TICK / 2)
        self.former = crews
        self.kill_all()

    def kill_all(self) -> None:
        for crew in [*self.former, self.crew]:
            if crew is not None:
                crew.kill()
        self.errands.kill()


def _how(process: Any) -> str:
    code = process.exitcode
    if code is not None and code < 0:
        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"signal {-code}"
    return f"exit code {code}"
