"""A comparison as a report: one HTML file, the verdict first."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from refrain.compare.drawings import (
    Colours,
    colours_of,
    draw_confusion,
    draw_curves,
    draw_forecasts,
    draw_lengths,
    draw_scores,
)
from refrain.compare.findings import findings
from refrain.compare.lengths import by_length, faults
from refrain.compare.memory_drawings import draw_gradient, draw_influence, gate_figure
from refrain.compare.record import Comparison, Traces
from refrain.compare.table import Figures, costs, quality
from refrain.compare.verdict import verdict
from refrain.graph.equations import text
from refrain.report.figures import figure_svg, new_figure
from refrain.report.page import (
    Code,
    Facts,
    Grid,
    Page,
    Part,
    Picture,
    Prose,
    Section,
    Table,
    write_page,
)
from refrain.study.candidates import Candidate
from refrain.words import joined, sentence

MEMORY = (
    "Exact, from the derived gradient of each cell, in float64: medians over held-out "
    "sequences, for the network of the first seed; of two directions, the one that "
    "goes with time."
)


def write_report(
    comparison: Comparison, candidates: Sequence[Candidate], path: Path
) -> None:
    """Write `report` into a file, whole or not at all."""
    write_page(report(comparison, candidates), path)


def report(comparison: Comparison, candidates: Sequence[Candidate]) -> Page:
    """The page of a comparison.

    Args:
        comparison: what was found.
        candidates: the networks, for their equations.
    """
    colours = colours_of(comparison)
    sections = [
        Section("Verdict", _verdict(comparison)),
        Section("The textbooks' table, measured", _textbook(comparison)),
        Section("Figures", [_table(quality(comparison)), _table(costs(comparison))]),
        Section("Scores and learning", _learning(comparison, colours)),
    ]
    if comparison.shorter:
        title = "Who still learns at which length"
        sections.insert(1, Section(title, _lengths(comparison, colours)))
    if comparison.exhibit:
        sections.append(_exhibit(comparison, colours))
    if any(entry.memory for entry in comparison.networks):
        sections.append(Section("Memory", _memory(comparison, colours)))
        sections.append(Section("Gates at work", _gates(comparison)))
    sections.append(Section("The cells", _cells(candidates)))
    sections.append(Section("How it was measured", _how(comparison)))
    names = joined([entry.name for entry in comparison.networks])
    about = sentence("; ".join(comparison.about))
    lead = f"{names}, trained and measured. {about}."
    return Page(comparison.title, sentence(lead), sections)


def _verdict(comparison: Comparison) -> list[Part]:
    found = verdict(comparison)
    metric = comparison.metrics[0]
    base = comparison.best(metric, comparison.baselines)
    beaten = base is None or metric.better(
        found.best.mean(metric.name), base.mean(metric.name)
    )
    parts: list[Part] = [
        Prose([" ".join(found.lines)], "good" if beaten else "warning")
    ]
    if failed := faults(comparison):
        parts.append(Prose(failed, "warning"))
    return parts


def _textbook(comparison: Comparison) -> list[Part]:
    rows = findings(comparison)
    names = [entry.name for entry in comparison.networks]
    return [
        Facts({row.aspect: row.says for row in rows}),
        Table(
            ["", "textbooks: RNN / LSTM / GRU", *names],
            [[row.aspect, row.textbook, *row.cells] for row in rows],
            "Long-term memory: the loss's gradient at the first step, as a share of "
            "that at the last one. Retention: steps after which 1 % of a change of the "
            "state is left.",
            words=2 + len(names),
        ),
    ]


def _table(figures: Figures) -> Table:
    return Table(
        figures.heads, figures.rows, ". ".join(figures.notes), best=figures.best
    )


def _learning(comparison: Comparison, colours: Colours) -> list[Part]:
    networks = comparison.networks
    return [
        _picture(
            "scores",
            lambda axes: draw_scores(axes, comparison, colours),
            f"{comparison.metrics[0].name} of every network and baseline",
            "Bars: mean of the seeds. Lines: standard deviation.",
            height=0.9 + 0.36 * len(comparison.entries),
        ),
        _picture(
            "curves",
            lambda axes: draw_curves(axes, networks, colours, comparison.loss),
            "Losses by epoch",
            "Lines: mean of the seeds. Shaded: from the lowest to the highest.",
        ),
    ]


def _lengths(comparison: Comparison, colours: Colours) -> list[Part]:
    return [
        _picture(
            "lengths",
            lambda axes: draw_lengths(axes, comparison, colours),
            f"{comparison.metrics[0].name} of every network by length",
            "Lines: mean of the seeds. Shaded: from the lowest to the highest.",
        ),
        _table(by_length(comparison)),
    ]


def _exhibit(comparison: Comparison, colours: Colours) -> Section:
    exhibit, networks = comparison.exhibit, comparison.networks
    if isinstance(exhibit, Traces):
        pictures = [
            _picture(
                f"forecast-{entry.key}",
                lambda axes, e=entry: draw_forecasts(axes, comparison, e, colours),
                f"Forecasts of {entry.name} beside the truth",
                height=2.6,
            )
            for entry in networks
        ]
        label = f"{exhibit.quantity}, the first seed; {comparison.subtitle}."
        return Section("Forecasts", [*pictures, Prose([label])])
    matrices = [
        _picture(
            f"confusion-{entry.key}",
            lambda axes, e=entry: draw_confusion(axes, comparison, e, colours),
            f"Confusions of {entry.name}",
            width=4.4,
            height=4.2,
        )
        for entry in networks
        if exhibit
    ]
    note = Prose(["Counts on the held-out part, for the first seed."])
    return Section("Confusions", [Grid(matrices), note])


def _memory(comparison: Comparison, colours: Colours) -> list[Part]:
    networks = list(comparison.networks)
    label = "of each network, by lag"
    return [
        Prose([MEMORY]),
        Grid(
            [
                _picture(
                    "influence",
                    lambda axes: draw_influence(axes, networks, colours),
                    f"What is left of a change of the state {label}",
                    width=5.4,
                ),
                _picture(
                    "gradient",
                    lambda axes: draw_gradient(axes, networks, colours),
                    f"The loss's gradient for the state {label}",
                    width=5.4,
                ),
            ]
        ),
    ]


def _gates(comparison: Comparison) -> list[Part]:
    pictures = [
        Picture(
            figure_svg(gate_figure(entry.memory), f"gates-{entry.key}"),
            f"Values of {', '.join(entry.memory.gates)} of {entry.name}",
            entry.name,
        )
        for entry in comparison.networks
        if entry.memory
    ]
    about = (
        "One held-out sequence, read by each network: 0 is a closed gate, 1 an open "
    )
    about += (
        "one; a row is a unit, a column a step. A cell without gates shows its state."
    )
    return [Prose([about]), Grid(pictures)]


def _cells(candidates: Sequence[Candidate]) -> list[Part]:
    cells = {c.cell.name: c.cell for c in candidates}
    parts: list[Part] = []
    for name, cell in cells.items():
        about = (cell.__doc__ or name).strip().split("\n")[0]
        code = Code(text(cell.graph()).strip(), f"{name}: {about}")
        parts.append(Grid([code, Picture(cell.diagram(), f"One step of {name}")]))
        parts.append(Code(cell.latex().strip(), f"{name} in LaTeX"))
    return parts


def _how(comparison: Comparison) -> list[Part]:
    facts = comparison.facts
    settings = {
        key.replace("_", " "): _told(value)
        for key, value in {**facts, **facts.get("budget", {})}.items()
        if not isinstance(value, dict)
    }
    machine = dict(comparison.versions)
    return [
        Code(comparison.command, "The command"),
        Prose(list(comparison.notes)),
        Facts(settings),
        Facts({**machine, "machine": platform.machine()}),
    ]


def _told(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _picture(
    name: str,
    draw: Callable[[Axes], None],
    label: str,
    caption: str = "",
    width: float = 9.0,
    height: float = 3.2,
) -> Picture:
    figure = new_figure(width, height)
    draw(figure.subplots())
    return Picture(figure_svg(figure, name), label, caption)
