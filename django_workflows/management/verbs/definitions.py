"""List the workflows that can be started: names, what they do, and the arguments they take."""

from __future__ import annotations

import inspect
from argparse import Namespace
from typing import Any

from django.core.management.base import CommandParser

from ...core.definitions import Definition
from ...core.registry import registry
from ...exceptions import WorkflowError
from ..schematic import parameters
from ..terminal import Terminal
from ..texts import preview, printable


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("name", nargs="?", help="Only this one.")


def run(terminal: Terminal, options: Namespace) -> None:
    found = [registry.find(options.name)] if options.name else list(registry)
    if terminal.json:
        terminal.document({"definitions": [_document(definition) for definition in found]})
        return
    if not found:
        terminal.line("No workflows are defined. They are found in each installed app's workflows.py.")
    for definition in found:
        terminal.line(f"{terminal.paint('title', printable(definition.name))}({parameters(definition)})")
        if summary := _doc(definition).partition("\n")[0]:
            terminal.line(f"    {preview(summary)}")


def _doc(definition: Definition[Any, Any]) -> str:
    return inspect.cleandoc(definition.handler.__doc__ or "")


def _document(definition: Definition[Any, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": definition.name,
        "doc": _doc(definition),
        "queue": definition.queue,
        "priority": definition.priority,
        "api": definition.api,
        "arguments": None,
        "result": None,
        "problem": None,
    }
    try:
        document["arguments"] = definition.signature.json_schema()
        document["result"] = definition.signature.result_schema()
    except WorkflowError as error:
        document["problem"] = str(error)
    return document
