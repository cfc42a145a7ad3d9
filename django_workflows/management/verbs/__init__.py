"""The verbs of ``manage.py workflows``, one per module, found by their file.

A module's name is its verb, with ``-`` for ``_``, and the first line of its docstring its help. It has
``add_arguments(parser)`` and ``run(terminal, options)``; ``--json`` is added to all of them. ``run`` says by
``WorkflowError`` or ``CommandError`` what went wrong.
"""

from __future__ import annotations

import pkgutil
from argparse import Namespace
from collections.abc import Iterator
from importlib import import_module
from typing import Protocol

from django.core.management.base import CommandParser

from ..terminal import Terminal


class Verb(Protocol):
    """What a module here offers."""

    __doc__: str | None

    def add_arguments(self, parser: CommandParser) -> None: ...

    def run(self, terminal: Terminal, options: Namespace) -> None: ...


def all_verbs() -> Iterator[tuple[str, Verb]]:
    """The verbs by name, in alphabetical order."""
    for module in pkgutil.iter_modules(__path__):
        yield module.name.replace("_", "-"), import_module(f"{__name__}.{module.name}")


def summary(verb: Verb) -> str:
    """What a verb does, in one line."""
    return (verb.__doc__ or "").strip().partition("\n")[0].rstrip(".")
