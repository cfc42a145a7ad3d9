"""Reads the code blocks of a tutorial chapter."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CAPTIONED = re.compile(r"^```\{code-block\} \S+\n:caption: (\S+)\n\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLAIN = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SESSION = re.compile(r"^```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files_of(chapter: str) -> dict[str, str]:
    """What the reader of ``docs/tutorial/<chapter>.md`` has written at its end, by path.

    Blocks with one caption are parts of one file, in their order.
    """
    files: dict[str, str] = {}
    for path, code in CAPTIONED.findall(_text(chapter)):
        files[path] = f"{files[path]}\n\n{code}" if path in files else code
    return files


def snippets_of(chapter: str) -> str:
    """The Python blocks without a caption, as one piece of code: a later chapter's tests, the first one's change."""
    return "\n\n".join(PLAIN.findall(_text(chapter)))


def session_of(chapter: str) -> str:
    """What the reader types into a Python shell, with what it prints, as a doctest. Degrees are those of the hour."""
    return re.sub(r"temperature=-?[\d.]+", "temperature=...", "\n".join(SESSION.findall(_text(chapter))))


def blocks_of(chapter: str) -> list[str]:
    """All that the functions above find."""
    text = _text(chapter)
    return [*(code for _, code in CAPTIONED.findall(text)), *PLAIN.findall(text), *SESSION.findall(text)]


def _text(chapter: str) -> str:
    return (ROOT / "docs" / "tutorial" / f"{chapter}.md").read_text(encoding="utf-8")
