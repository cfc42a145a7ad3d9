"""Decides which requests the weather service refuses, so that a reader of the tutorial gets to see retries."""

from threading import Lock
from zlib import crc32

SLOTS = 4096


class Outages:
    """Refuses each ``every``-th repetition of a request, beginning somewhere that depends on the request itself.

    So about one request in ``every`` is refused, which ones is the same in every run of the server, and with
    ``every`` of 2 or more a refused request that is sent again at once is answered. Safe to share between threads.
    """

    def __init__(self) -> None:
        self._seen = [0] * SLOTS
        self._lock = Lock()

    def refuses(self, request: str, every: int) -> bool:
        """Whether this request (its path and query) is to be refused. ``every`` below 1 refuses none."""
        if every < 1:
            return False
        fingerprint = crc32(request.encode())
        with self._lock:
            self._seen[fingerprint % SLOTS] += 1
            return (fingerprint + self._seen[fingerprint % SLOTS]) % every == 0


outages = Outages()
