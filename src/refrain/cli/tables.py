"""Tables of a comparison in the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from refrain.compare.table import Figures


def make_table(figures: Figures) -> Table:
    """A table of figures; the best of a column is set in bold."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for k, head in enumerate(figures.heads):
        table.add_column(head, justify="right" if k else "left", no_wrap=True)
    for row, texts in enumerate(figures.rows):
        cells = [
            Text(text, "bold green" if (row, column) in figures.best else "")
            for column, text in enumerate(texts)
        ]
        table.add_row(*cells, end_section=row == figures.last_baseline)
    return table


def table_width(table: Table) -> int:
    """Columns of a terminal that the table needs to be shown whole."""
    wide = Console(width=1000)
    return wide.measure(table).maximum
