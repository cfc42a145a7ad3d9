"""What kind of trouble the text of a parked workflow's problem tells of."""

from __future__ import annotations

import re
from enum import StrEnum


class ProblemKind(StrEnum):
    """Why a workflow cannot go on.

    ``MISMATCH``: the code asks for something else than was recorded; ``UNKNOWN``: there is no code of its name;
    ``GIVEN_UP``: it was handed out in vain so often that nobody tries it again by itself; ``ERROR``: its turns end with
    an error, and are tried again.
    """

    MISMATCH = "mismatch"
    UNKNOWN = "unknown"
    GIVEN_UP = "given_up"
    ERROR = "error"


_BEGINNINGS = {
    ProblemKind.MISMATCH: re.compile(r"step \d+: the journal recorded "),
    ProblemKind.UNKNOWN: re.compile(r"no workflow is defined under the name "),
    ProblemKind.GIVEN_UP: re.compile(r"handed out \d+ times without getting on: "),
}


def kind_of(problem: str) -> ProblemKind:
    """By how its text begins."""
    return next((kind for kind, begins in _BEGINNINGS.items() if begins.match(problem)), ProblemKind.ERROR)
