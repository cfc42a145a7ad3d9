"""What becomes of a task that the pusher has just taken from its broker when its crew is told to end."""

import pickle
import queue

import pytest
from django_q.signing import SignedPackage

from django_workflows.q2.cluster.flags import Flag
from django_workflows.q2.cluster.pushing import Pulse, push
from django_workflows.q2.cluster.queues import Hold, TaskQueue
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


def test_a_small_task_is_sent_by_who_puts_it() -> None:
    """Without the thread of multiprocessing, which a killed pusher would take with it, and the task as well."""
    tasks = TaskQueue(maxsize=2)
    tasks.put({"name": "small"})
    assert tasks._thread is None
    assert [pickle.loads(each)["name"] for each in tasks.leftovers()] == ["small"]


def test_what_finds_no_room_in_the_pipe_keeps_nobody_waiting() -> None:
    tasks = TaskQueue(maxsize=0)
    for number in range(1000):
        tasks.put({"name": number, "args": "x" * 1000})  # a megabyte, and nobody reads
    assert tasks.qsize() == 1000
    tasks.stop = lambda: False
    tasks.hold = Hold()
    names = {tasks.get()["name"] for _ in range(1000)}
    assert names == set(range(1000))
    assert tasks.empty()


def test_a_full_queue_says_so_to_small_tasks_too() -> None:
    tasks = TaskQueue(maxsize=1)
    tasks.put({"name": "first"})
    with pytest.raises(queue.Full):
        tasks.put({"name": "second"}, timeout=0.01)
    assert tasks.qsize() == 1
