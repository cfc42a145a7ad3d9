"""Whether anybody follows workflows at this moment, so that workers say aloud what they change: PostgreSQL only.

Who follows holds a shared advisory lock for as long as its session lives. Workers look for it with their heartbeat, and
tell of changes in a channel of its own only while there is somebody. All of it is a hint: who follows also looks.
"""

from __future__ import annotations

from .database import connection, execute, is_postgresql
from .prepared import is_shared

#: A queue that has work which is due; the id of a workflow that has changed; and a queue in which something else is
#: new: work that falls due in a moment, or a task of django-q2's.
WORK, CHANGES, NEWS = "django_workflows", "django_workflows_changes", "django_workflows_news"
CHANNELS = (WORK, CHANGES, NEWS)
# "dwf" and "list" in ASCII.
_LOCK = (0x647766, 0x6C697374)


class _Known:
    """What this process knows of those who listen."""

    followed = False


def listen() -> None:
    """Hear of changes on this connection, and let workers know that somebody does.

    Nothing of it through a pooler, where somebody else would hear, and the lock would stay when this one is gone.
    """
    conn = connection()
    conn.ensure_connection()
    if is_shared(conn, conn.connection):
        return
    for channel in CHANNELS:
        execute(f"LISTEN {channel}")
    execute("SELECT pg_advisory_lock_shared(%s, %s)", _LOCK)


def followed_sql() -> str:
    """An SQL expression: whether anybody listens."""
    if not is_postgresql():
        return "0"
    return (
        "EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND database = "
        f"(SELECT oid FROM pg_database WHERE datname = current_database()) AND classid = {_LOCK[0]} "
        f"AND objid = {_LOCK[1]} AND granted)"
    )


def note(followed: bool) -> None:
    """What a heartbeat of this process has found."""
    _Known.followed = followed


def telling(column: str = "id") -> str:
    """What a statement that changes a workflow adds to what it returns, so that those who listen hear of the commit."""
    if not _Known.followed or not is_postgresql():
        return ""
    return f", pg_notify('{CHANGES}', {column}::text)"
