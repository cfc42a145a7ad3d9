"""django-q2's cluster, hardened: whichever of its processes is killed, it goes on, and leaves none behind.

One main process starts the sentinel, and the sentinel starts a crew: workers, a pusher and a monitor, which share two
queues. What django-q2 does not survive is that a process dies while it holds one of the queues' locks. So here a crew
of which a member died is retired as a whole, and another one with queues of its own takes over at once.
"""
