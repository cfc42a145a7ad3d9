"""How many bytes a workflow and a step take, with each of their indexes."""

from __future__ import annotations

from .servers import query
from .workloads import Figures

_SIZES = """
SELECT class.relname, pg_relation_size(class.oid)
FROM pg_class AS class JOIN pg_namespace AS space ON space.oid = class.relnamespace
WHERE space.nspname = 'public' AND class.relkind IN ('r', 'i')
  AND (class.relname LIKE 'django_workflows_%%' OR class.relname LIKE 'dwf_%%')
"""
_TABLES = ("django_workflows_workflow", "django_workflows_step")
_INDEXES = """
SELECT class.relname FROM pg_index JOIN pg_class AS class ON class.oid = indexrelid WHERE indrelid = %s::regclass
"""


def sizes(dsn: str) -> Figures:
    """Bytes for each row: of the table, of each index in it that takes a byte for each row at least, and together."""
    relations = {name: float(size) for name, size in query(dsn, _SIZES)}
    found: Figures = {}
    for table in _TABLES:
        kind = table.rpartition("_")[2]
        rows = query(dsn, f"SELECT count(*) FROM {table}")[0][0]
        indexes = {row[0]: relations.get(row[0], 0.0) / rows for row in query(dsn, _INDEXES, table)}
        found |= {f"{kind}s": float(rows), f"{kind}_row_bytes": relations[table] / rows}
        found |= {f"{kind}_index_{name}": size for name, size in sorted(indexes.items()) if size >= 0.5}
        found[f"{kind}_bytes"] = relations[table] / rows + sum(indexes.values())
    return found
