"""What a comparison found, drawn on axes: for the picture and for the report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import MaxNLocator

from refrain.compare.lengths import at_each_length, entry_of, length
from refrain.compare.record import Comparison, Entry, Traces
from refrain.report.figures import INK, LINE, MUTED, SERIES, legend, style

_USUAL = {"lstm": 0, "rnn": 1, "gru": 2, "bilstm": 3}

Colours = Mapping[str, str]


def colours_of(comparison: Comparison) -> Colours:
    """A colour for each network, the same in every drawing; grey for baselines."""
    taken = {_USUAL[e.key] for e in comparison.entries if e.key in _USUAL}
    spare = [k for k in range(len(SERIES)) if k not in taken]
    found: dict[str, str] = {}
    for entry in comparison.entries:
        if entry.baseline:
            found[entry.key] = MUTED
        elif entry.key in _USUAL:
            found[entry.key] = SERIES[_USUAL[entry.key]]
        else:
            own = spare.pop(0)
            spare.append(own)  # more networks than colours begin anew
            found[entry.key] = SERIES[own]
    return found


def draw_forecasts(
    axes: Axes, comparison: Comparison, entry: Entry, colours: Colours
) -> None:
    """The truth, the forecasts of a network, and those of the best baseline."""
    traces: Any = comparison.exhibit
    times: Any = _times(traces)
    truth = np.array([np.nan if v is None else v for v in traces.truth], float)
    axes.axvspan(times[traces.starts[0]], times[-1], color=LINE, alpha=0.35, zorder=0)
    axes.plot(times, truth, color=INK, linewidth=1.1, label="truth")
    baseline = comparison.best(comparison.metrics[0], comparison.baselines)
    if baseline:
        dashes: dict[str, Any] = {"linewidth": 1.0, "linestyle": (0, (3, 1.5))}
        _draw_blocks(axes, traces, times, baseline, MUTED, dashes)
    _draw_blocks(axes, traces, times, entry, colours[entry.key], {"linewidth": 1.6})
    style(axes, entry.name)
    axes.margins(x=0.01)
    low, high = axes.dataLim.intervaly
    room = (axes.dataLim.x0, high + 0.16 * (high - low))  # for the legend
    axes.update_datalim([room])
    axes.autoscale_view()
    if isinstance(times[0], np.datetime64):
        locator = AutoDateLocator()
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.xaxis.get_offset_text().set(fontsize=8.5, color=MUTED)
    legend(
        axes,
        loc="upper right",
        ncols=3,
        handlelength=1.8,
        borderaxespad=0.1,
        columnspacing=1.2,
    )


def _draw_blocks(
    axes: Axes,
    traces: Traces,
    times: np.ndarray,
    entry: Entry,
    colour: str,
    line: dict[str, Any],
) -> None:
    rows = entry.exhibit
    marker = "." if rows and len(rows[0]) == 1 else ""
    for k, (start, row) in enumerate(zip(traces.starts, rows, strict=True)):
        label = entry.name if k == 0 else None
        shown = times[start : start + len(row)]
        axes.plot(shown, row, color=colour, label=label, marker=marker, **line)


def _times(traces: Traces) -> np.ndarray:
    if isinstance(traces.times[0], str):
        return np.array(traces.times, dtype="datetime64[s]")
    return np.array(traces.times, dtype=float)


def draw_confusion(
    axes: Axes, comparison: Comparison, entry: Entry, colours: Colours
) -> None:
    """Which class (row) was taken for which (column), as shares of the row."""
    exhibit: Any = comparison.exhibit
    colour = colours[entry.key]
    counts = np.array(entry.exhibit, float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    style(axes, entry.name, "answered", "true")
    axes.grid(visible=False)
    axes.set_aspect("equal")
    for (row, column), share in np.ndenumerate(shares):
        # Boxes of one colour, so that they are seen on a light and a dark ground.
        box = (column - 0.47, row - 0.47)
        axes.add_patch(_box(box, 0.94, colour, 0.04 + 0.7 * share))
        if len(shares) <= 12:
            text = f"{counts[row, column]:.0f}"
            axes.text(column, row, text, ha="center", va="center", size=8, color=INK)
    axes.set_xlim(-0.5, len(shares) - 0.5)
    axes.set_ylim(len(shares) - 0.5, -0.5)
    axes.set_xticks(range(len(shares)), exhibit.classes)
    axes.set_yticks(range(len(shares)), exhibit.classes)


def _box(corner: tuple[float, float], size: float, colour: str, alpha: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, size, size, color=colour, alpha=alpha, linewidth=0)


def draw_curves(
    axes: Axes, networks: Sequence[Entry], colours: Colours, loss: str
) -> None:
    """Losses by epoch: the mean of the seeds, and from the lowest to the highest."""
    losses: list[float] = []
    for entry in networks:
        colour = colours[entry.key]
        training = _by_epoch([run.training.loss for run in entry.runs])
        validation = _by_epoch([run.training.validation_loss for run in entry.runs])
        epochs = np.arange(1, len(validation) + 1)
        mean = _mean(validation)
        axes.plot(epochs, _mean(training), color=colour, linewidth=1, linestyle=":")
        axes.plot(epochs, mean, color=colour, linewidth=1.6, label=entry.name)
        if len(entry.runs) > 1:
            low, high = ([pick(row) for row in validation] for pick in (min, max))
            axes.fill_between(epochs, low, high, color=colour, alpha=0.16, linewidth=0)
        for run in entry.runs:
            best, values = run.training.best_epoch, run.training.validation_loss
            axes.plot(best, values[best - 1], "o", color=colour, markersize=3.5)
        losses += [*_mean(training), *mean]
    title = "Learning curves: validation —, training ···, kept ●"
    style(axes, title, "epoch", loss)
    axes.set_xlim(left=0.5)
    axes.set_ylim(top=_upper(losses))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(axes, loc="upper right", handlelength=1.5)


def _by_epoch(curves: Sequence[Sequence[float]]) -> list[list[float]]:
    """For each epoch the finite losses of the runs that came so far."""
    longest = max(map(len, curves))
    rows = [[c[k] for c in curves if k < len(c)] for k in range(longest)]
    return [[v for v in row if math.isfinite(v)] or [math.nan] for row in rows]


def _mean(rows: Sequence[Sequence[float]]) -> list[float]:
    return [float(np.mean(row)) for row in rows]


def _upper(losses: Sequence[float]) -> float:
    """Top of the axis: a few first epochs may lie far above all that is of interest."""
    finite = np.array([loss for loss in losses if np.isfinite(loss)])
    typical = float(np.percentile(finite, 97))
    return typical + 0.1 * (typical - float(finite.min())) + 1e-9


def draw_lengths(axes: Axes, comparison: Comparison, colours: Colours) -> None:
    """The first metric by length: mean of the seeds, from the lowest to the highest."""
    ladder, metric = at_each_length(comparison), comparison.metrics[0].name
    lengths = [length(each) for each in ladder]
    for entry in comparison.entries:
        values = [entry_of(each, entry.key).values(metric) for each in ladder]
        low, high = ([pick(v, default=math.nan) for v in values] for pick in (min, max))
        means = _mean([v or [math.nan] for v in values])
        colour, line = colours[entry.key], "--" if entry.baseline else "o-"
        axes.plot(lengths, means, line, color=colour, markersize=4, label=entry.name)
        axes.fill_between(lengths, low, high, color=colour, alpha=0.16, linewidth=0)
    limits = [each.facts["solved_below"] for each in ladder]
    axes.plot(lengths, limits, ":", color=MUTED, label="solved below")
    style(axes, f"{metric}, by length", "length", metric)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(lengths, list(map(str, lengths)))
    axes.minorticks_off()
    legend(axes, loc="best")


def draw_scores(axes: Axes, comparison: Comparison, colours: Colours) -> None:
    """The first metric of every entry, with its spread."""
    metric = comparison.metrics[0]
    entries = [e for e in comparison.entries if e.values(metric.name)][::-1]
    means = [entry.mean(metric.name) for entry in entries]
    spreads = [entry.spread(metric.name) for entry in entries]
    names = [entry.name for entry in entries]
    bars = axes.barh(
        names,
        means,
        xerr=spreads if np.isfinite(spreads).any() else None,
        color=[colours[entry.key] for entry in entries],
        error_kw={"ecolor": INK, "elinewidth": 1.2, "capsize": 3},
        height=0.62,
    )
    axes.bar_label(bars, fmt="%#.3g", padding=4, size=8.5, color=INK)
    better = "higher" if metric.more else "lower"
    style(axes, f"{metric.name} on the held-out part ({better} is better)")
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.16)
    axes.tick_params(axis="y", length=0, labelsize=9, labelcolor=INK)
