"""Finds the code blocks of a page of the documentation, hidden ones included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sybil import Document, Region
from sybil.parsers.markdown.lexers import DirectiveInHTMLCommentLexer, FencedCodeBlockLexer
from sybil.parsers.myst.lexers import DirectiveLexer

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)])
#: Directives that hold prose, or what Sphinx makes by itself.
PROSE = {"toctree", "note", "warning", "tip", "important", "admonition", "glossary", "figure", "image"}
PROSE |= {"state-diagram", "eval-rst", "include"}
#: How a block names the file that it is: in its caption, or in a comment at its beginning.
_CAPTION = re.compile(r"([\w-]+/)*[\w.-]+\.[a-z]+(?=,|$)")
_COMMENT = re.compile(r"# (([\w-]+/)*[\w-]+\.(?:py|ya?ml|toml))$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One block. ``file`` is the path that its caption or first line names, "" for none; ``caption`` all of that."""

    page: str
    line: int
    language: str
    code: str
    caption: str = ""
    file: str = ""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(path: Path) -> list[Block]:
    """The blocks of a page, in their order."""
    document = Document(path.read_text(encoding="utf-8"), str(path))
    found = [*_fenced(document, path), *_directives(document, path), *_hidden(document, path)]
    return sorted(found, key=lambda block: block.line)


def commands(block: Block) -> list[str]:
    """What is typed, without comments and what is printed; lines that go on are joined."""
    joined = re.sub(r"\\\n", " ", block.code)
    return [line[2:].partition("  #")[0].strip() for line in joined.splitlines() if line.startswith("$ ")]


def _fenced(document: Document, path: Path) -> Iterator[Block]:
    for region in FencedCodeBlockLexer(r"[\w+-]*")(document):
        yield _block(document, path, region, region.lexemes["language"])


def _directives(document: Document, path: Path) -> Iterator[Block]:
    for region in DirectiveLexer(r"[\w-]+")(document):
        directive = region.lexemes["directive"]
        if directive in ("code-block", "code", "sourcecode"):
            caption = (region.lexemes.get("options") or {}).get("caption", "")
            yield _block(document, path, region, region.lexemes["arguments"], caption)
        elif directive not in PROSE:
            yield _block(document, path, region, f"{{{directive}}}")


def _hidden(document: Document, path: Path) -> Iterator[Block]:
    for region in DirectiveInHTMLCommentLexer(r"invisible-code-block")(document):
        yield _block(document, path, region, region.lexemes["arguments"])


def _block(document: Document, path: Path, region: Region, language: str, caption: str = "") -> Block:
    code = str(region.lexemes["source"])
    named, commented = _CAPTION.match(caption), _COMMENT.match(code)
    file = named[0] if named else commented[1] if commented else ""
    line = document.text.count("\n", 0, region.start) + 1
    return Block(str(path.relative_to(ROOT)), line, language.strip(), code, caption, file)
