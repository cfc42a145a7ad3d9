"""Whether what was written in the present transaction can still be kept."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

from .database import connection

#: libpq's word for a transaction in which a statement has failed.
_IN_ERROR = 3


def is_broken(conn: BaseDatabaseWrapper | None = None) -> bool:
    """Whether an error has left nothing to be done but a rollback, to the last savepoint or of the whole transaction.

    Django knows of its models' errors. PostgreSQL refuses everything after any error, and its driver knows that
    without asking it. ``conn`` is the journal's connection, for who has it at hand.
    """
    conn = conn or connection()
    if conn.needs_rollback or conn.vendor != "postgresql" or conn.connection is None:
        return conn.needs_rollback
    # Psycopg's own word for it is a new object, made of this number each time.
    driver = getattr(conn.connection, "pgconn", None) or conn.connection.info
    status = driver.transaction_status
    return bool(status == _IN_ERROR)
