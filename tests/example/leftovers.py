"""Finds processes that should be gone, by a mark in their environment."""

import psutil


def processes_with(mark: str) -> list[psutil.Process]:
    """The living processes that have an environment variable ``MARK`` of that value."""
    return [process for process in psutil.process_iter() if _mark_of(process) == mark]


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else process.environ().get("MARK")
    except psutil.Error:
        return None  # it ended while we looked, or belongs to somebody else
