"""Whether the database keeps what it has acknowledged, and is the one to write to."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import CheckMessage, Error, Warning

from ...store.database import alias, fetch_one, is_postgresql


def check_durability() -> Iterator[CheckMessage]:
    """E032: a standby or read-only; W033: acknowledged commits may be lost; W034: SQLite's file is not in WAL mode."""
    yield from _postgresql() if is_postgresql() else _sqlite()


def _postgresql() -> Iterator[CheckMessage]:
    row = fetch_one(
        "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only'), current_setting('fsync'), "
        "current_setting('synchronous_commit')"
    )
    assert row is not None
    standby, read_only, fsync, synchronous = row
    if standby or read_only == "on":
        yield Error(
            f"The database {alias()!r} is {'a standby' if standby else 'read-only'}: no workflow can start or go on.",
            hint="Let DATABASES name the primary server, to which can be written.",
            id="django_workflows.E032",
        )
    off = [name for name, value in (("fsync", fsync), ("synchronous_commit", synchronous)) if value == "off"]
    if off:
        yield _lossy(f"PostgreSQL's {' and '.join(off)}", f"Set {' and '.join(off)} to on.")


def _sqlite() -> Iterator[CheckMessage]:
    synchronous, mode = (fetch_one(f"PRAGMA {name}") for name in ("synchronous", "journal_mode"))
    assert synchronous is not None and mode is not None
    if synchronous[0] == 0:
        yield _lossy("SQLite's synchronous", 'Use "PRAGMA synchronous=NORMAL;" in OPTIONS["init_command"].')
    if mode[0] not in ("wal", "memory"):
        yield Warning(
            f"The file of {alias()!r} is in the journal mode {mode[0]!r}, not in WAL: readers and workers block each "
            "other.",
            hint='Add "PRAGMA journal_mode=WAL;" to OPTIONS["init_command"]; a network file system cannot do it.',
            id="django_workflows.W034",
        )


def _lossy(what: str, hint: str) -> Warning:
    return Warning(
        f"{what} is off: what was acknowledged, an effect of a step for example, may be gone after a power cut, "
        "and is done again.",
        hint=hint,
        id="django_workflows.W033",
    )
