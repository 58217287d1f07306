"""What a comparison found, as plain records that go to tables, pictures and JSON.

Nothing here knows the task: scores are named figures of which a metric says whether
more or less of it is better.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refrain.files import plain, write_file
from refrain.study.training import Training

SCHEMA = 2

Shown = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Metric:
    """A figure that says how good a network is.

    Attributes:
        name: as the table heads it.
        meaning: in a few words.
        more: more of it is better.
    """

    name: str
    meaning: str
    more: bool = False

    def better(self, one: float, other: float) -> bool:
        """Whether a value is better than another; one that is not defined is not."""
        if math.isnan(one):
            return False
        return math.isnan(other) or (one > other if self.more else one < other)


@dataclass(frozen=True)
class Memory:
    """How far back a trained network remembers and learns, over held-out sequences.

    A state is all states of the cell side by side. Medians over the sequences, which
    end together; lag k is k steps before their end.

    Attributes:
        steps: of the sequences.
        horizon: the lag from which less than 1 % of a change of the state is left;
            None where that is longer than the sequences.
        influence: what is left of a change of the state, by lag from 0.
        gradient: norm of the loss's gradient for the state, by lag from 1, as a share
            of that at lag 1.
        gates: values of each gate on one sequence, `(steps, units)` each; of the states
            where the cell has no gate.
    """

    steps: int
    horizon: int | None
    influence: tuple[float, ...]
    gradient: tuple[float, ...]
    gates: Mapping[str, Sequence[Sequence[float]]]

    @property
    def reach(self) -> float:
        """Share of the gradient that comes back to the first step."""
        return self.gradient[-1] if self.gradient else math.nan


@dataclass(frozen=True)
class Run:
    """One training of a network from one seed.

    Attributes:
        seed: of its weights and of the order of samples.
        scores: on the held-out part, by the name of the metric.
        training: what training took.
        steps_a_second: time steps of sequences that training goes through in a second,
            without the first epoch; None where there was no other.
        shown: its rows of the exhibit.
        memory: how far back it remembers; of the first seed alone.
    """

    seed: int
    scores: dict[str, float]
    training: Training
    steps_a_second: float | None = None
    shown: Shown = ()
    memory: Memory | None = None


@dataclass(frozen=True)
class Latency:
    """Time from a frame to its answer, one sequence at a time.

    Attributes:
        p50_us, p99_us: median and 99th percentile, in microseconds.
        way: `stream` where the network goes on by one step, its states kept; `window`
            where Keras has to read the whole window again.
    """

    p50_us: float
    p99_us: float
    way: str

    @property
    def rate_hz(self) -> float:
        """Frames a second that 99 of 100 answers keep up with."""
        return 1e6 / self.p99_us


@dataclass(frozen=True)
class Cost:
    """Size and cost of a candidate's network; no weight's value matters to them.

    Attributes:
        parameters: trained numbers of the whole model.
        gates: sigmoid gates of the cell, e.g. 3 for the LSTM.
        directions: 2 for a bidirectional layer.
        multiply_adds: of all products in one step of the recurrent layer.
        memory_bytes: computed: weights, gradients, Adam's moments, one batch, and what
            the forward pass keeps for the backward pass; None where a scan runs, whose
            memory is the array library's affair.
        latency: of one step.
        path: how the recurrent layer runs; see its `explain`.
    """

    parameters: int
    gates: int
    directions: int
    multiply_adds: int
    memory_bytes: int | None
    latency: Latency
    path: str


@dataclass(frozen=True)
class Entry:
    """One line of a comparison.

    Attributes:
        key: short name, as in the option that chose it ("gru").
        name: name for people ("GRU").
        fixed: scores of a baseline, which has no seeds; empty for a network.
        runs: of a network, one a seed.
        network: what it costs; None for a baseline, or where that could not be
            measured.
        faults: why runs are missing.
        shown: a baseline's rows of the exhibit.
    """

    key: str
    name: str
    fixed: Mapping[str, float] = field(default_factory=dict)
    runs: tuple[Run, ...] = ()
    network: Cost | None = None
    faults: tuple[str, ...] = ()
    shown: Shown = ()

    @property
    def baseline(self) -> bool:
        """Whether it needs no training."""
        return bool(self.fixed)

    def values(self, metric: str) -> list[float]:
        """The defined values of a metric, one a seed."""
        scores = [run.scores for run in self.runs] or [self.fixed]
        found = [score.get(metric, math.nan) for score in scores]
        return [value for value in found if math.isfinite(value)]

    def mean(self, metric: str) -> float:
        """Mean of a metric over the seeds; NaN where it has no value."""
        values = self.values(metric)
        return statistics.fmean(values) if values else math.nan

    def spread(self, metric: str) -> float:
        """Standard deviation over the seeds; NaN for fewer than two."""
        values = self.values(metric)
        return statistics.stdev(values) if len(values) > 1 else math.nan

    def median(self, figure: str) -> float:
        """Median over the runs of a figure of their training; NaN without any."""
        found = [getattr(run.training, figure) for run in self.runs]
        return statistics.median(found) if found else math.nan

    @property
    def steps_a_second(self) -> float:
        """Median speed of training; NaN where no run has more than one epoch."""
        found = [r.steps_a_second for r in self.runs if r.steps_a_second is not None]
        return statistics.median(found) if found else math.nan

    @property
    def memory(self) -> Memory | None:
        """How far back the network of the first seed remembers, if that is known."""
        return self.runs[0].memory if self.runs else None

    @property
    def exhibit(self) -> Shown:
        """Its rows of the exhibit; those of the first seed for a network."""
        return self.runs[0].shown if self.runs else self.shown


@dataclass(frozen=True)
class Traces:
    """The truth that forecasts are drawn on.

    Attributes:
        quantity: label of the values, with the unit where it is known.
        clock: label of the times.
        times: of each point: ISO dates, or numbers.
        truth: value of each point; None where it was not observed.
        starts: index in `times` at which each block of forecasts begins.
    """

    quantity: str
    clock: str
    times: Sequence[str | float]
    truth: Sequence[float | None]
    starts: Sequence[int]


@dataclass(frozen=True)
class Confusion:
    """The classes of a table of confusions."""

    classes: Sequence[str]


@dataclass(frozen=True)
class Comparison:
    """Everything that a comparison found.

    Attributes:
        task: of the contest.
        title: what was compared on.
        about: lines that say what the data are.
        subtitle: what the exhibit shows.
        metrics: of the table; the first one decides.
        loss: what training lowers, in words.
        facts: the task's own settings and figures, ready for JSON.
        notes: sentences that the reader of the table needs.
        entries: baselines and networks, in the order of the table.
        exhibit: what the entries' rows are drawn on.
        versions: of everything that the figures depend on.
        command: that makes the same comparison again.
        shorter: the same at shorter lengths of a probe, in rising order.
    """

    task: str
    title: str
    about: tuple[str, ...]
    subtitle: str
    metrics: tuple[Metric, ...]
    loss: str
    facts: Mapping[str, Any]
    notes: tuple[str, ...]
    entries: tuple[Entry, ...]
    exhibit: Traces | Confusion | None
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    shorter: tuple[Comparison, ...] = ()

    @property
    def networks(self) -> tuple[Entry, ...]:
        """Entries that were trained."""
        return tuple(entry for entry in self.entries if entry.runs)

    @property
    def baselines(self) -> tuple[Entry, ...]:
        """Entries that need no training."""
        return tuple(entry for entry in self.entries if entry.baseline)

    def best(self, metric: Metric, entries: Sequence[Entry]) -> Entry | None:
        """The entry with the best mean of a metric; None where none is defined."""
        best: Entry | None = None
        for entry in entries:
            mean = entry.mean(metric.name)
            if metric.better(mean, best.mean(metric.name) if best else math.nan):
                best = entry
        return best


def to_json(record: Comparison) -> str:
    """A comparison as JSON."""
    whole = {"schema": SCHEMA, **plain(record)}
    return json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False)


def write_json(record: Comparison, path: Path) -> None:
    """Write `to_json` to a file."""
    text = to_json(record) + "\n"
    write_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
