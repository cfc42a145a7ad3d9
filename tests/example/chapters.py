"""Reads the code blocks of a tutorial chapter."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CAPTIONED = re.compile(r"^```\{code-block\} \S+\n:caption: (\S+)\n\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLAIN = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files_of(chapter: str) -> dict[str, str]:
    """What the reader of ``docs/tutorial/<chapter>.md`` has written at its end, by path.

    Blocks with one caption are parts of one file, in their order.
    """
    text = (ROOT / "docs" / "tutorial" / f"{chapter}.md").read_text(encoding="utf-8")
    files: dict[str, str] = {}
    for path, code in CAPTIONED.findall(text):
        files[path] = f"{files[path]}\n\n{code}" if path in files else code
    return files


def code_of_tests(chapter: str) -> str:
    """The Python blocks without a caption, with which a later chapter shows its tests, as one piece of code."""
    text = (ROOT / "docs" / "tutorial" / f"{chapter}.md").read_text(encoding="utf-8")
    return "\n\n".join(PLAIN.findall(text))
