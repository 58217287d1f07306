"""A comparison as one picture: exhibits, learning curves, scores."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecFromSubplotSpec

from refrain.compare.drawings import (
    Colours,
    colours_of,
    draw_confusion,
    draw_curves,
    draw_forecasts,
    draw_scores,
)
from refrain.compare.record import Comparison, Traces
from refrain.files import write_file
from refrain.report.figures import MUTED, PAPER

WIDTH_INCH, PANEL_INCH, SQUARE_INCH, LAST_INCH = 11.0, 2.35, 3.6, 2.6
TOP_INCH, GAP_INCH, BOTTOM_INCH = 1.05, 0.85, 0.5


def write_picture(comparison: Comparison, path: Path) -> None:
    """Draw a comparison into a PNG file; see `draw`."""
    figure = draw(comparison)
    canvas = FigureCanvasAgg(figure)
    write_file(path, lambda file: canvas.print_png(str(file)))


def draw(comparison: Comparison) -> Figure:
    """Draw one panel a network, then learning curves and the first metric.

    A panel shows forecasts with the truth and the best baseline, or confusions.
    """
    networks = comparison.networks
    colours = colours_of(comparison)
    columns = 1 if len(networks) % 2 else 2
    rows = -(-len(networks) // columns) if comparison.exhibit else 0
    forecasts = isinstance(comparison.exhibit, Traces)
    high = rows * (PANEL_INCH if forecasts else SQUARE_INCH)
    total = high + LAST_INCH + TOP_INCH + GAP_INCH
    figure = Figure(figsize=(WIDTH_INCH, total), dpi=150, facecolor=PAPER)
    upper, lower = figure.add_gridspec(
        2,
        1,
        height_ratios=(max(high, 0.01), LAST_INCH),
        left=0.075,
        right=0.975,
        top=1 - TOP_INCH / total,
        bottom=BOTTOM_INCH / total,
        hspace=2 * GAP_INCH / (high + LAST_INCH),
    )
    if rows:
        panels = upper.subgridspec(rows, columns, wspace=0.08, hspace=0.28)
        _draw_panels(figure, panels, comparison, colours)
    low = lower.subgridspec(1, 2, width_ratios=(1.5, 1), wspace=0.38)
    draw_curves(figure.add_subplot(low[0]), networks, colours, comparison.loss)
    draw_scores(figure.add_subplot(low[1]), comparison, colours)
    lines = (
        (comparison.title, "bold", 13, "black"),
        (comparison.subtitle, "normal", 9.5, MUTED),
    )
    for k, (text, weight, size, colour) in enumerate(lines):
        y = 1 - (0.22 + 0.28 * k) / total
        figure.text(0.075, y, text, weight=weight, size=size, color=colour, va="top")
    return figure


def _draw_panels(
    figure: Figure,
    panels: GridSpecFromSubplotSpec,
    comparison: Comparison,
    colours: Colours,
) -> None:
    networks, columns = comparison.networks, panels.ncols
    exhibit = comparison.exhibit
    shared = None
    for k, entry in enumerate(networks):
        row, column = divmod(k, columns)
        axes = figure.add_subplot(panels[row, column], sharex=shared, sharey=shared)
        if not isinstance(exhibit, Traces):
            if exhibit:
                draw_confusion(axes, comparison, entry, colours)
            continue
        shared = shared or axes
        draw_forecasts(axes, comparison, entry, colours)
        lowest = k + columns >= len(networks)
        axes.tick_params(labelleft=column == 0, labelbottom=lowest)
        if column == 0:
            axes.set_ylabel(exhibit.quantity, size=9)
        if lowest:
            axes.set_xlabel(exhibit.clock, size=9)
