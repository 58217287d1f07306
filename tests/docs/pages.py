"""The pages of the documentation, and what a page asks a reader to run.

A page becomes one script with every line where it is on the page, so that an error
names the page's own line.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
END = "\x1e"  # printed after each block

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, text, and the lines before its first one."""

    language: str
    text: str
    lines_before: int
    start: int
    end: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(
            match[1],
            match[2],
            text.count("\n", 0, match.start(2)),
            match.start(),
            match.end(),
        )
        for match in _FENCE.finditer(text)
    ]


def script(page: Path) -> str:
    """All Python of a page; prints `END` where a block ends."""
    lines = [""] * (page.read_text().count("\n") + 1)
    for block in blocks(page):
        if block.language == "python":
            code = [*block.text.splitlines(), f"print({END!r})"]
            lines[block.lines_before : block.lines_before + len(code)] = code
    return "\n".join(lines)


def promised_outputs(page: Path) -> list[str | None]:
    """For each block of Python, the text block right below it, or None."""
    text = page.read_text()
    return [
        after.text
        if after is not None
        and after.language == "text"
        and not text[block.end : after.start].strip()
        else None
        for block, after in pairwise([*blocks(page), None])
        if block.language == "python"
    ]


def commands(page: Path) -> list[tuple[str, str]]:
    """The commands of all console blocks, each with the output shown below it."""
    found = []
    for block in blocks(page):
        if block.language == "console":
            for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                found.append((command, output))
    return found
