"""Memory, drawn on axes: what is left by lag, and gates over a sequence."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from refrain.compare.drawings import Colours
from refrain.compare.record import Entry, Memory
from refrain.report.figures import INK, MUTED, legend, new_figure, style
from refrain.study.flow import FADED

LEAST = 1e-8  # below it, all is nothing
GATE_INCH = 1.05


def draw_influence(axes: Axes, networks: list[Entry], colours: Colours) -> None:
    """What is left of a change of the state, by lag."""
    for entry in networks:
        if entry.memory:
            left = np.maximum(entry.memory.influence, LEAST)
            axes.plot(left, color=colours[entry.key], linewidth=1.6, label=entry.name)
    axes.axhline(FADED, color=MUTED, linewidth=1, linestyle=(0, (3, 2)))
    axes.text(0, FADED, "1 %", color=MUTED, size=8.5, va="bottom")
    style(axes, "Left of a change of the state", "steps later", "share")
    axes.set_yscale("log")
    legend(axes, loc="lower left")


def draw_gradient(axes: Axes, networks: list[Entry], colours: Colours) -> None:
    """The loss's gradient for the state, by how far back it has come."""
    for entry in networks:
        if entry.memory:
            gradient = np.maximum(entry.memory.gradient, LEAST)
            lags = np.arange(1, len(gradient) + 1)
            colour = colours[entry.key]
            axes.plot(lags, gradient, color=colour, linewidth=1.6, label=entry.name)
    title, x = "Gradient that flows back", "steps before the end"
    style(axes, title, x, "share of the last step's")
    axes.set_yscale("log")
    legend(axes, loc="lower left")


def gate_figure(memory: Memory) -> Figure:
    """Each gate over a sequence as a heat map: a row a unit, a column a step."""
    count = len(memory.gates)
    figure = new_figure(7.2, 0.75 + GATE_INCH * count)
    panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    arrays = [np.array(values).T for values in memory.gates.values()]
    low = min(0.0, min(float(array.min()) for array in arrays))
    high = max(1.0, max(float(array.max()) for array in arrays))
    image = None
    for axes, name, array in zip(panels, memory.gates, arrays, strict=True):
        order = np.argsort(array.mean(axis=1))
        image = axes.imshow(
            array[order],
            aspect="auto",
            interpolation="nearest",
            vmin=low,
            vmax=high,
            cmap="viridis",
        )
        style(axes)
        axes.grid(visible=False)
        axes.set_yticks([])
        axes.set_ylabel(name, rotation=0, size=11, color=INK, labelpad=14, va="center")
    panels[-1].set_xlabel("step", size=9, color=MUTED)
    if image is not None:
        bar = figure.colorbar(image, ax=panels, pad=0.015, aspect=12 * count)
        bar.ax.tick_params(labelsize=8.5, color=MUTED, labelcolor=MUTED)
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    return figure
