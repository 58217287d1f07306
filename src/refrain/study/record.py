"""What a comparison found, as plain records that go to a table, a picture and JSON.

Nothing here knows the task: errors are named figures, lower is better.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refrain.files import write_file

SCHEMA = 1


@dataclass(frozen=True)
class Training:
    """What it took to train a network.

    Attributes:
        train_s: wall time of the whole training, compiling included.
        first_epoch_s: the first epoch, which compiles.
        epoch_s: median of the others; None where there was only one.
        epochs: epochs run.
        best_epoch: the epoch whose weights were kept, counted from 1.
        loss: training loss after each epoch.
        validation_loss: validation loss after each epoch.
    """

    train_s: float
    first_epoch_s: float
    epoch_s: float | None
    epochs: int
    best_epoch: int
    loss: tuple[float, ...]
    validation_loss: tuple[float, ...]


@dataclass(frozen=True)
class Network:
    """Size and cost of a candidate's network.

    Attributes:
        parameters: trained numbers of the whole model.
        gates: sigmoid gates of the cell, e.g. 3 for the LSTM.
        directions: 2 for a bidirectional layer.
        step_us: one window through the model, batch 1, divided by its steps; in
            microseconds.
        path: how the recurrent layer runs; see its `explain`.
        training: what training took.
    """

    parameters: int
    gates: int
    directions: int
    step_us: float
    path: str
    training: Training


@dataclass(frozen=True)
class Entry:
    """One line of a comparison.

    Attributes:
        key: short name, as in the option that chose it ("gru").
        name: name for people ("GRU").
        errors: by name; NaN where one is not defined.
        network: None for a baseline.
    """

    key: str
    name: str
    errors: dict[str, float]
    network: Network | None = None


@dataclass(frozen=True)
class Traces:
    """Forecasts to draw against the truth.

    Attributes:
        quantity: label of the values, with the unit where it is known.
        clock: label of the times.
        times: of each point: ISO dates, or numbers.
        truth: value of each point; None where it was not observed.
        starts: index in `times` at which each block of forecasts begins.
        forecasts: by key of the entry, one row of values a block.
    """

    quantity: str
    clock: str
    times: Sequence[str | float]
    truth: Sequence[float | None]
    starts: Sequence[int]
    forecasts: dict[str, list[list[float]]]


@dataclass(frozen=True)
class Comparison:
    """Everything that a comparison found.

    Attributes:
        title: what was compared on.
        subtitle: what the picture's panels show.
        facts: the task's own settings and figures, ready for JSON.
        notes: sentences that the reader of the table needs.
        entries: baselines and networks, in the order of the table.
        traces: forecasts to draw.
        versions: of everything that the figures depend on.
    """

    title: str
    subtitle: str
    facts: dict[str, Any]
    notes: tuple[str, ...]
    entries: tuple[Entry, ...]
    traces: Traces
    versions: dict[str, str] = field(default_factory=dict)


def to_json(comparison: Comparison) -> str:
    """All figures as JSON; what is not a finite number becomes null."""
    record = {"schema": SCHEMA, **dataclasses.asdict(comparison)}
    return json.dumps(_finite(record), indent=1, ensure_ascii=False, allow_nan=False)


def write_json(comparison: Comparison, path: Path) -> None:
    """Write `to_json` to a file."""
    text = to_json(comparison) + "\n"
    write_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
