"""A comparison as a table for the terminal."""

from __future__ import annotations

import math

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from refrain.study.record import Comparison, Entry


def make_table(comparison: Comparison) -> Table:
    """One line for each entry; the lowest value of each error is set in bold.

    Columns: errors on the held-out part; seconds of training, compiling included;
    epochs run; trained parameters; gates (times directions); microseconds a step.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("forecast", no_wrap=True)
    names = list(comparison.entries[0].errors)
    heads = [name.upper() for name in names]
    for head in (*heads, "train s", "epochs", "params", "gates", "µs/step"):
        table.add_column(head, justify="right", no_wrap=True)
    best = {name: _lowest(comparison.entries, name) for name in names}
    for k, entry in enumerate(comparison.entries):
        cells = [Text(entry.name)]
        for name in names:
            value = entry.errors[name]
            style = "bold green" if value == best[name] else ""
            cells.append(Text(figure(value), style))
        following = comparison.entries[k + 1 : k + 2]
        last_baseline = not entry.network and any(e.network for e in following)
        table.add_row(*cells, *_costs(entry), end_section=last_baseline)
    return table


def table_width(table: Table) -> int:
    """Columns of a terminal that the table needs to be shown whole."""
    wide = Console(width=1000)
    return wide.measure(table).maximum


def _lowest(entries: tuple[Entry, ...], name: str) -> float:
    known = [e.errors[name] for e in entries if math.isfinite(e.errors[name])]
    return min(known, default=math.nan)


def _costs(entry: Entry) -> list[str]:
    if not entry.network:
        return ["–"] * 5
    network = entry.network
    gates = str(network.gates)
    if network.directions > 1:
        gates = f"{network.directions}×{gates}"
    return [
        f"{network.training.train_s:.1f}",
        str(network.training.epochs),
        f"{network.parameters:,}",
        gates,
        f"{network.step_us:.0f}" if network.step_us >= 10 else f"{network.step_us:.1f}",
    ]


def figure(value: float) -> str:
    """An error in four digits or so, without an exponent where it fits."""
    if not math.isfinite(value):
        return "–"
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return f"{value:.{max(0, 3 - max(0, _digits(value) - 1))}f}"
    return f"{value:.2e}"


def _digits(value: float) -> int:
    return math.floor(math.log10(abs(value))) + 1 if value else 1
