"""A comparison as tables of text: how good the networks are, and what they cost.

The terminal and the report show the same figures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from refrain.compare.record import Comparison, Entry

NONE = "–"


@dataclass(frozen=True)
class Figures:
    """A table of text.

    Attributes:
        heads: of its columns; the first one names the entry.
        rows: as many texts as heads.
        best: (row, column) of the best figure of a column.
        notes: what the columns mean.
        last_baseline: row after which networks begin; None without baselines.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str]
    best: frozenset[tuple[int, int]] = field(default_factory=frozenset)
    last_baseline: int | None = None


def quality(comparison: Comparison) -> Figures:
    """Scores as mean and spread over the seeds, and what training took."""
    entries = comparison.entries
    rows = [
        [e.name, *(score(e, m.name) for m in comparison.metrics), *_training(e)]
        for e in entries
    ]
    best = set()
    for column, metric in enumerate(comparison.metrics, 1):
        first = comparison.best(metric, entries)
        top = first.mean(metric.name) if first else math.nan
        best |= {
            (row, column) for row, e in enumerate(entries) if e.mean(metric.name) == top
        }
    seeds = max((len(entry.runs) for entry in entries), default=0)
    spread = f"mean ± standard deviation over {seeds} seeds; " if seeds > 1 else ""
    return Figures(
        (
            "network",
            *(m.name for m in comparison.metrics),
            "train s",
            "epochs",
            "steps/s",
        ),
        rows,
        (
            f"{spread}bold: the best mean",
            "train s, epochs, steps/s: medians; steps of sequences, compiling left out",
        ),
        frozenset(best),
        max((k for k, e in enumerate(entries) if e.baseline), default=None),
    )


def costs(comparison: Comparison) -> Figures:
    """Size, work, memory and latency of the networks."""
    networks = [e for e in comparison.entries if not e.baseline]
    latencies = [e.network.latency for e in networks if e.network]
    notes = [
        "gates: sigmoid gates of the cell; multiply-adds: of one step",
        "memory: of a step of training, computed from the plans of the kernels",
        "p50, p99: time from a frame to its answer, batch 1; rate: 1 / p99",
    ]
    if any(latency.way == "window" for latency in latencies):
        notes.append(
            "*: it cannot go on by one step; Keras reads the whole window again"
        )
    return Figures(
        (
            *("network", "params", "gates", "multiply-adds", "memory"),
            *("p50 µs", "p99 µs", "rate /s"),
        ),
        [[e.name, *_costs(e)] for e in networks],
        notes,
    )


def score(entry: Entry, metric: str) -> str:
    """A mean, with its spread where there is one."""
    mean, spread = entry.mean(metric), entry.spread(metric)
    if not math.isfinite(spread):
        return figure(mean)
    places = _places(mean)
    return (
        f"{figure(mean)} ± {spread:.{places}f}"
        if places is not None
        else (f"{figure(mean)} ± {figure(spread)}")
    )


def _training(entry: Entry) -> list[str]:
    if not entry.runs:
        return [NONE] * 3
    rate = entry.steps_a_second
    return [
        f"{entry.median('train_s'):.1f}",
        f"{entry.median('epochs'):.0f}",
        short(rate) if math.isfinite(rate) else NONE,
    ]


def _costs(entry: Entry) -> list[str]:
    network = entry.network
    if network is None:
        return [NONE] * 7
    gates = str(network.gates)
    if network.directions > 1:
        gates = f"{network.directions}×{gates}"
    latency, memory = network.latency, network.memory_bytes
    star = "*" if latency.way == "window" else ""
    return [
        f"{network.parameters:,}",
        gates,
        f"{network.multiply_adds:,}",
        NONE if memory is None else f"{memory / 1e6:.1f} MB",
        f"{microseconds(latency.p50_us)}{star}",
        f"{microseconds(latency.p99_us)}{star}",
        short(latency.rate_hz),
    ]


def microseconds(value: float) -> str:
    """A time of some digits."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def short(value: float) -> str:
    """A large number in two or three digits: 480 k."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            scaled = value / size
            return f"{scaled:.0f} {unit}" if scaled >= 10 else f"{scaled:.1f} {unit}"
    return f"{value:.0f}"


def figure(value: float) -> str:
    """A score in four digits or so, without an exponent where it fits."""
    places = _places(value)
    if places is not None:
        return f"{value:.{places}f}"
    return f"{value:.2e}" if math.isfinite(value) else NONE


def _places(value: float) -> int | None:
    """Decimal places of a score; None where it needs an exponent, or is not finite."""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return max(0, 3 - max(0, _digits(value) - 1))
    return None


def _digits(value: float) -> int:
    return math.floor(math.log10(abs(value))) + 1 if value else 1
