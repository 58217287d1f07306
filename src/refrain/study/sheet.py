"""A diagnosis for people: rows of a table, and a page with plots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from refrain.report.figures import SERIES, figure_svg, legend, new_figure, style
from refrain.report.page import Facts, Page, Picture, Prose, Section, Table
from refrain.study.diagnosis import Diagnosis
from refrain.study.rows import ABOUT, gate_rows, layer_rows

LEAST = 1e-12  # of what is drawn; less is nothing


def make_page(
    found: Sequence[Diagnosis], title: str, facts: dict[str, str], command: str = ""
) -> Page:
    """A diagnosis as a page: what stands out, figures, and plots by lag and step."""
    heads, *rows = layer_rows(found)
    remarks = [f"{d.layer}: {r.finding}; {r.advice}" for d in found for r in d.remarks]
    if remarks:
        verdict = Prose(remarks, "warning")
    else:
        verdict = Prose(["Nothing stands out."], "good")
    table = Table(heads, rows, ABOUT, words=2)
    about = {**facts, "command": command} if command else facts
    return Page(
        title=title,
        lead="How far back the recurrent layers remember, how their gradient flows "
        "there, and what their gates do.",
        sections=[
            Section("What stands out", [verdict, table]),
            *(_section(each, f"d{k}") for k, each in enumerate(found)),
            Section("How it was measured", [Facts(about)]),
        ],
    )


def _section(found: Diagnosis, name: str) -> Section:
    figure = new_figure()
    draw_flow(figure.subplots(), found)
    parts: list = [
        Picture(
            figure_svg(figure, f"{name}-flow"),
            f"influence of the states of {found.layer} by lag",
        )
    ]
    if found.activity.gates:
        heads, *rows = gate_rows(found)
        figure = new_figure()
        draw_gates(figure.subplots(), found)
        parts += [
            Table(heads, rows),
            Picture(
                figure_svg(figure, f"{name}-gates"),
                f"mean of each gate of {found.layer} by step",
            ),
        ]
    return Section(f"{found.layer}: {found.flow.cell}", parts)


def draw_flow(axes: Axes, found: Diagnosis) -> None:
    """Influence, its largest direction and the loss's gradient, by lag."""
    flow = found.flow
    curves = {"influence of the state": flow.influence, "largest": flow.largest}
    for state, by_lag in flow.loss.items():
        first = by_lag[0] or 1.0
        curves[f"gradient of the loss for {state}"] = (
            np.nan,
            *(value / first for value in by_lag),
        )
    for colour, (label, by_lag) in zip(SERIES, curves.items(), strict=False):
        shown = np.array(by_lag)
        shown[~(shown > LEAST)] = np.nan
        axes.plot(shown, color=colour, label=label)
    axes.set_yscale("log")
    style(axes, "By lag", "steps back", "relative size")
    legend(axes)


def draw_gates(axes: Axes, found: Diagnosis) -> None:
    """The mean of each gate at each step."""
    for colour, gate in zip(SERIES, found.activity.gates, strict=False):
        axes.plot(gate.by_step, color=colour, label=gate.name)
    style(axes, "Gates", "step", "mean over units")
    legend(axes)
