"""What a package index shows of the README: there its links and pictures lead nowhere unless they are absolute.

With ``Source`` in ``[project.urls]`` they lead to the version's tag there. Without it the words stay, and the links go.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: A picture or a link: its mark, its words, its target.
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_ABSOLUTE = re.compile(r"[a-z]+:|#")


class ReadmeHook(MetadataHookInterface):
    """``[tool.hatch.metadata.hooks.custom]``"""

    def update(self, metadata: dict[str, Any]) -> None:
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        source = metadata.get("urls", {}).get("Source", "")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text, source, metadata["version"])}


def absolute(text: str, source: str, version: str) -> str:
    """``text`` without a relative link: to the tag ``v<version>`` of a repository at ``source``, or to nowhere."""

    def replace(found: re.Match[str]) -> str:
        mark, words, target = found.groups()
        if _ABSOLUTE.match(target):
            return found[0]
        if not source:
            return "" if mark else words
        return f"{mark}[{words}]({source.rstrip('/')}/{'raw' if mark else 'blob'}/v{version}/{target})"

    return _LINK.sub(replace, text)
