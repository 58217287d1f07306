"""Tables in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from refrain.compare.table import Figures


def new_table(heads: Sequence[str], words: int = 1) -> Table:
    """A table without rows; so many columns on the left hold words, others numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for k, head in enumerate(heads):
        side = "left" if k < words else "right"
        table.add_column(head, justify=side, no_wrap=True)
    return table


def comparison_table(figures: Figures) -> Table:
    """A table of figures; the best of a column is set in bold."""
    table = new_table(figures.heads)
    for row, texts in enumerate(figures.rows):
        cells = [
            Text(text, "bold green" if (row, column) in figures.best else "")
            for column, text in enumerate(texts)
        ]
        table.add_row(*cells, end_section=row == figures.last_baseline)
    return table


def print_table(out: Console, table: Table) -> None:
    """Print a table whole."""
    # A narrow terminal, or a pipe, gets long lines and not shortened figures.
    out.width = max(out.width, Console(width=1000).measure(table).maximum)
    out.print(table)
