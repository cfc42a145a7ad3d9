"""``schema_context``, and the ``schema_name`` that a connection has there, on PostgreSQL's schemas."""

from contextlib import ContextDecorator

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

BaseDatabaseWrapper.schema_name = "public"


class schema_context(ContextDecorator):  # noqa: N801 - its name there
    def __init__(self, schema_name):
        self.schema_name = schema_name

    def __enter__(self):
        self.before = connection.schema_name
        _set(self.schema_name)

    def __exit__(self, *exc_info):
        _set(self.before)


def _set(name):
    connection.schema_name = name
    if connection.vendor == "postgresql" and not connection.needs_rollback:
        with connection.cursor() as cursor:
            cursor.execute(f"SET search_path = {connection.ops.quote_name(name)}, public")
