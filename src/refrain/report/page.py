"""A report as one HTML file: sections of prose, facts, tables, pictures and code.

The file holds all that it shows. It loads nothing, runs no script, follows the reader's
choice of light or dark, and prints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from refrain.files import write_bytes


@dataclass(frozen=True)
class Prose:
    """Paragraphs of plain text.

    Attributes:
        paragraphs: each one string.
        tone: "plain", or a box round them: "note", "good", "warning".
    """

    paragraphs: Sequence[str]
    tone: str = "plain"


@dataclass(frozen=True)
class Facts:
    """Names with what they are, such as versions."""

    items: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """Rows of text under heads.

    Attributes:
        heads: one for each column.
        rows: texts, as many as heads.
        caption: what the columns mean.
        words: columns from the left that hold words; the others hold figures.
        best: (row, column) of what is set in bold.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    words: int = 1
    best: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class Picture:
    """A drawing.

    Attributes:
        svg: the text of an SVG element, of our own making; see `figures.figure_svg`.
        label: what it shows, for those who do not see it.
        caption: shown below it.
    """

    svg: str
    label: str
    caption: str = ""


@dataclass(frozen=True)
class Code:
    """Lines kept as they are: a command, equations."""

    text: str
    caption: str = ""


@dataclass(frozen=True)
class Grid:
    """Parts side by side where the screen is wide enough."""

    parts: Sequence[Picture | Code | Table]


Part = Prose | Facts | Table | Picture | Code | Grid


@dataclass(frozen=True)
class Section:
    """Parts under a heading."""

    title: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Page:
    """A report.

    Attributes:
        title: the heading of the page.
        lead: a sentence or two below it.
        sections: in the order in which they are read.
    """

    title: str
    lead: str
    sections: Sequence[Section]


def page_html(page: Page) -> str:
    """The page as HTML; all text is escaped, drawings are taken as they are."""
    environment = Environment(
        loader=PackageLoader("refrain.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["drawing"] = Markup
    environment.tests["kind"] = lambda part, name: type(part).__name__ == name
    return environment.get_template("page.html").render(page=page)


def write_page(page: Page, path: Path) -> None:
    """Write `page_html` to a file, whole or not at all."""
    write_bytes(path, page_html(page).encode())
