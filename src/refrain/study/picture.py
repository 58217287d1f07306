"""A comparison as a picture: forecasts against the truth, learning curves, errors."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecFromSubplotSpec
from matplotlib.ticker import MaxNLocator

from refrain.files import write_file
from refrain.study.record import Comparison, Entry, Traces

TRUTH, BASELINE = "#1a1a1a", "#9a9a9a"
# Okabe and Ito's colours, told apart by colour-blind readers too.
COLOURS = {"rnn": "#D55E00", "lstm": "#0072B2", "gru": "#009E73", "bilstm": "#CC79A7"}
OTHER_COLOURS = ("#E69F00", "#56B4E9", "#7B4F9E", "#8C6D31")
WIDTH_INCH, PANEL_INCH, LAST_INCH = 11.0, 2.35, 2.6
TOP_INCH, GAP_INCH, BOTTOM_INCH = 1.05, 0.85, 0.5


def write_picture(comparison: Comparison, path: Path) -> None:
    """Draw a comparison into a PNG file; see `draw`."""
    figure = draw(comparison)
    canvas = FigureCanvasAgg(figure)
    write_file(path, lambda file: canvas.print_png(str(file)))


def draw(comparison: Comparison) -> Figure:
    """Draw one panel a network, then learning curves and the last named error.

    Each panel shows the truth, the network's forecasts, and the best baseline's.
    """
    networks = [entry for entry in comparison.entries if entry.network]
    colours = _colours(comparison.entries)
    columns = 1 if len(networks) % 2 else 2
    rows = -(-len(networks) // columns)
    total = rows * PANEL_INCH + LAST_INCH + TOP_INCH + GAP_INCH
    figure = Figure(figsize=(WIDTH_INCH, total), dpi=150, facecolor="white")
    upper, lower = figure.add_gridspec(
        2,
        1,
        height_ratios=(rows * PANEL_INCH, LAST_INCH),
        left=0.075,
        right=0.975,
        top=1 - TOP_INCH / total,
        bottom=BOTTOM_INCH / total,
        hspace=2 * GAP_INCH / (rows * PANEL_INCH + LAST_INCH),
    )
    panels = upper.subgridspec(rows, columns, wspace=0.08, hspace=0.28)
    _draw_panels(figure, panels, comparison, networks, colours)
    low = lower.subgridspec(1, 2, width_ratios=(1.5, 1), wspace=0.38)
    _draw_curves(figure.add_subplot(low[0]), networks, colours)
    _draw_errors(figure.add_subplot(low[1]), comparison, colours)
    lines = (
        (comparison.title, "bold", 13, "black"),
        (comparison.subtitle, "normal", 9.5, "#555555"),
    )
    for k, (text, weight, size, colour) in enumerate(lines):
        y = 1 - (0.22 + 0.28 * k) / total
        figure.text(0.075, y, text, weight=weight, size=size, color=colour, va="top")
    return figure


def _draw_panels(
    figure: Figure,
    panels: GridSpecFromSubplotSpec,
    comparison: Comparison,
    networks: list[Entry],
    colours: dict[str, str],
) -> None:
    baseline = _best_baseline(comparison)
    columns = panels.ncols
    shared: Axes | None = None
    for k, entry in enumerate(networks):
        row, column = divmod(k, columns)
        axes = figure.add_subplot(panels[row, column], sharex=shared, sharey=shared)
        shared = shared or axes
        _draw_forecasts(axes, comparison.traces, entry, baseline, colours)
        lowest = k + columns >= len(networks)
        axes.tick_params(labelleft=column == 0, labelbottom=lowest)
        if column == 0:
            axes.set_ylabel(comparison.traces.quantity, size=9)
        if lowest:
            axes.set_xlabel(comparison.traces.clock, size=9)


def _colours(entries: tuple[Entry, ...]) -> dict[str, str]:
    colours = {entry.key: BASELINE for entry in entries}
    spare = itertools.cycle(OTHER_COLOURS)
    for entry in entries:
        if entry.network:
            colours[entry.key] = COLOURS.get(entry.key) or next(spare)
    return colours


def _best_baseline(comparison: Comparison) -> Entry | None:
    baselines = [entry for entry in comparison.entries if not entry.network]
    name = next(iter(comparison.entries[0].errors))
    return min(baselines, key=lambda entry: entry.errors[name], default=None)


def _style(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", size=10, weight="bold", pad=5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#888888")
    axes.tick_params(labelsize=8.5, color="#888888")
    axes.grid(visible=True, color="#ececec", linewidth=0.7)
    axes.set_axisbelow(True)


def _draw_forecasts(
    axes: Axes,
    traces: Traces,
    entry: Entry,
    baseline: Entry | None,
    colours: dict[str, str],
) -> None:
    times = _times(traces)
    truth = np.array([np.nan if v is None else v for v in traces.truth], float)
    axes.axvspan(times[traces.starts[0]], times[-1], color="#f7f7f4", zorder=0)
    axes.plot(times, truth, color=TRUTH, linewidth=1.1, label="truth")
    if baseline:
        style: dict[str, Any] = {"linewidth": 1.0, "linestyle": (0, (3, 1.5))}
        _draw_blocks(axes, traces, times, baseline, BASELINE, style)
    style = {"linewidth": 1.6, "alpha": 0.95}
    _draw_blocks(axes, traces, times, entry, colours[entry.key], style)
    _style(axes, entry.name)
    axes.margins(x=0.01)
    if isinstance(times[0], np.datetime64):
        locator = AutoDateLocator()
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.xaxis.get_offset_text().set_fontsize(8.5)
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1, 0.985),
        ncols=3,
        frameon=False,
        fontsize=8.5,
        handlelength=1.8,
        borderaxespad=0.2,
        columnspacing=1.2,
    )


def _draw_blocks(
    axes: Axes,
    traces: Traces,
    times: np.ndarray,
    entry: Entry,
    colour: str,
    style: dict[str, Any],
) -> None:
    rows = traces.forecasts[entry.key]
    marker = "." if rows and len(rows[0]) == 1 else ""
    for k, (start, row) in enumerate(zip(traces.starts, rows, strict=True)):
        label = entry.name if k == 0 else None
        shown = times[start : start + len(row)]
        axes.plot(shown, row, color=colour, label=label, marker=marker, **style)


def _times(traces: Traces) -> np.ndarray:
    if isinstance(traces.times[0], str):
        return np.array(traces.times, dtype="datetime64[s]")
    return np.array(traces.times, dtype=float)


def _draw_curves(axes: Axes, networks: list[Entry], colours: dict[str, str]) -> None:
    losses: list[float] = []
    for entry in networks:
        if not entry.network:
            continue
        training, colour = entry.network.training, colours[entry.key]
        validation = training.validation_loss
        epochs = np.arange(1, training.epochs + 1)
        axes.plot(epochs, training.loss, color=colour, linewidth=1.0, linestyle=":")
        axes.plot(epochs, validation, color=colour, linewidth=1.5, label=entry.name)
        best = validation[training.best_epoch - 1]
        axes.plot(training.best_epoch, best, "o", color=colour, markersize=5)
        losses += [*training.loss, *validation]
    _style(axes, "Learning curves: validation —, training ···, kept ●")
    axes.set_xlabel("epoch", size=9)
    axes.set_ylabel("loss: scaled MAE", size=9)
    axes.set_xlim(left=0.5)
    axes.set_ylim(top=_upper(losses))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=8.5, loc="upper right", handlelength=1.5)


def _upper(losses: list[float]) -> float:
    """Top of the axis: a few first epochs may lie far above all that is of interest."""
    finite = np.array([loss for loss in losses if np.isfinite(loss)])
    typical = float(np.percentile(finite, 97))
    return typical + 0.1 * (typical - float(finite.min())) + 1e-9


def _draw_errors(axes: Axes, comparison: Comparison, colours: dict[str, str]) -> None:
    names = list(comparison.entries[0].errors)
    finite = [n for n in names if np.isfinite(comparison.entries[0].errors[n])]
    name = finite[-1] if finite else names[-1]
    entries = comparison.entries[::-1]
    values = [np.nan_to_num(entry.errors[name]) for entry in entries]
    bars = axes.barh(
        [entry.name for entry in entries],
        values,
        color=[colours[entry.key] for entry in entries],
        height=0.66,
    )
    axes.bar_label(bars, fmt="%#.3g", padding=3, size=8.5)
    _style(axes, f"{name.upper()} on the held-out part (lower is better)")
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(name.upper(), size=9)
    axes.margins(x=0.14)
    axes.tick_params(axis="y", length=0, labelsize=9)
