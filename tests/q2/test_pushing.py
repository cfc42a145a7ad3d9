"""What becomes of a task that the pusher has just taken from its broker when its crew is told to end."""

import pickle

from django_q.signing import SignedPackage

from django_workflows.q2.cluster.flags import Flag
from django_workflows.q2.cluster.pushing import Pulse, push
from django_workflows.q2.cluster.queues import TaskQueue
from tests.promises import promise
from tests.waiting import wait_for


class LastBroker:
    """Gives one task, and by then the crew has been retired."""

    def __init__(self, stop: Flag) -> None:
        self.stop = stop

    def dequeue(self) -> list[tuple[int, str]]:
        self.stop.set()
        return [(1, SignedPackage.dumps({"id": "1", "name": "late"}))]


def pushed(tasks: TaskQueue) -> None:
    stop = Flag()
    push(tasks, stop, Pulse(), LastBroker(stop))


def test_it_is_left_over_for_the_next_crew() -> None:
    tasks = TaskQueue(maxsize=0)
    pushed(tasks)
    (left,) = wait_for(tasks.leftovers)
    assert pickle.loads(left)["name"] == "late"


def test_it_does_not_keep_a_crew_with_a_full_queue_from_ending() -> None:
    tasks = TaskQueue(maxsize=1)
    tasks.put({"name": "first"})
    with promise(5):
        pushed(tasks)
