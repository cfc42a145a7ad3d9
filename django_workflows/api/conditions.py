"""Conditional requests (RFC 9110 section 13): which version of a workflow a client has, or acts on."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from rest_framework.request import Request

from ..store.glances import Glance
from .problems import BadInput, PreconditionFailed, parameter_error

# The tags of a list; what is quoted may hold anything but quotes.
_TAG = re.compile(r'(?P<weak>W/)?"(?P<tag>[\x21\x23-\x7e\x80-\xff]*)"')
_LIST = re.compile(rf"[\s,]*(?:{_TAG.pattern}\s*(?:,[\s,]*|$))+".replace("?P<weak>", "?:").replace("?P<tag>", "?:"))


def etag(version: int, *details: Any) -> str:
    """The tag of a workflow as somebody sees it: its version first, then whatever else the answer depends on."""
    more = hashlib.sha256(repr(details).encode()).hexdigest()[:12]
    return f'"{version}.{more}"'


def tag_of(glance: Glance, *details: Any) -> str:
    """``etag`` of a workflow with its open steps: workers take them, and they progress, without a new version."""
    return etag(glance.version, glance.generation, glance.open_steps, *details)


def unchanged(request: Request, tag: str) -> bool:
    """Whether ``If-None-Match`` says that the client has this already."""
    header = request.headers.get("If-None-Match")
    if header is None:
        return False
    return header.strip() == "*" or tag.strip('"') in _tags(header, weak=True)


def wanted_versions(request: Request) -> set[int] | None:
    """The versions that ``If-Match`` names; ``None`` if any will do. ``BadInput`` if it is no list of tags."""
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    tags = _tags(header, weak=False)
    if not tags and not _tags(header, weak=True):
        raise BadInput(
            [
                parameter_error(
                    "If-Match", 'Tags are needed as ETag gave them, "3.1f" for example, or *.', where="header"
                )
            ]
        )
    # Which worker has a step does not matter to whoever acts, so the version alone decides.
    versions = (tag.partition(".")[0] for tag in tags)
    return {int(version) for version in versions if version.isascii() and version.isdecimal() and len(version) < 19}


def check_version(version: int | None, versions: set[int] | None) -> None:
    """``PreconditionFailed`` unless the workflow's version is among ``versions``."""
    if versions is not None and version not in versions:
        raise PreconditionFailed


def _tags(header: str, *, weak: bool) -> set[str]:
    if not _LIST.fullmatch(header):
        return set()
    return {found["tag"] for found in _TAG.finditer(header) if weak or not found["weak"]}
