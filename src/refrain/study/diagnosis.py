"""What is the matter with the recurrent layers of a model, on the reader's own data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from refrain.errors import DataError
from refrain.files import plain
from refrain.study.flow import FADED, GradientFlow, gradient_flow
from refrain.study.gates import EDGE, Activity, activity
from refrain.study.watch import watch

SEQUENCES = 8  # as many say what more of them would

# From these on a figure is remarked upon.
SHORT = 0.5  # of the sequences' length: a shorter horizon
GROWN = 100.0  # what a change of the state may grow to at any lag
SATURATED = 0.9  # share of time that a gate spends near one end of its range
LETS_GO = 0.9  # mean factor below which a state is lost within 50 steps
DEAD_UNITS = 0.1  # share of units that do nothing


@dataclass(frozen=True)
class Remark:
    """Something that stands out, and what helps against it.

    Attributes:
        kind: `vanishing`, `exploding`, `saturated`, `dead`.
        finding: what was measured.
        advice: what to try.
    """

    kind: str
    finding: str
    advice: str


@dataclass(frozen=True)
class Diagnosis:
    """What was measured of one cell of a recurrent layer.

    Attributes:
        layer: names that lead to it, and its number in a stack of cells.
        against_time: it reads from the last step to the first.
        flow: memory horizon and gradient by lag.
        activity: gates and units.
        remarks: what stands out; empty where nothing does.
    """

    layer: str
    against_time: bool
    flow: GradientFlow
    activity: Activity
    remarks: tuple[Remark, ...]

    def record(self) -> dict[str, Any]:
        """All figures as plain data for JSON; infinity and NaN are None."""
        return plain(self)


def diagnose(
    model: Any, x: Any, y: Any = None, loss: Any = None, sequences: int = SEQUENCES
) -> tuple[Diagnosis, ...]:
    """Measure memory, gradient flow and gates of a model's recurrent layers.

    Args:
        model: a built Keras model, trained or fresh.
        x: what it takes, sequences along the first axis; a list for several inputs.
        y: targets; with them the gradient of the loss is followed too.
        loss: as Keras's `compile` takes it; that of the compiled model if not given.
        sequences: how many are taken, from the first on.

    Raises:
        DataError: see `watch`.
    """
    x, y = (_first(sequences, data) for data in (x, y))
    if not all(map(len, keras.tree.flatten(x))):
        raise DataError("expected at least one sequence, received none")
    found = []
    for heard in watch(model, x, y, loss):
        for number, way in enumerate(heard.walks, start=1):
            last = number == len(heard.walks)
            grads = heard.grad_outputs if last else None
            flow, active = gradient_flow(way, grads, heard.grad_last), activity(way)
            found.append(
                Diagnosis(
                    heard.path if len(heard.walks) == 1 else f"{heard.path}[{number}]",
                    heard.layer.go_backwards,
                    flow,
                    active,
                    remarks(flow, active),
                )
            )
    return tuple(found)


def _first(count: int, data: Any) -> Any:
    return keras.tree.map_structure(
        lambda a: None if a is None else np.asarray(a)[:count], data
    )


def remarks(flow: GradientFlow, active: Activity) -> tuple[Remark, ...]:
    """What stands out in figures, by the thresholds of this module."""
    found = []
    if flow.horizon is not None and flow.horizon < SHORT * flow.steps:
        found.append(_vanishing(flow, active))
    peak = float(np.nanmax(flow.largest))
    if peak > GROWN:
        lag = int(np.nanargmax(flow.largest))
        found.append(
            Remark(
                "exploding",
                f"a change of the state grows up to {peak:.2g}-fold over {lag} steps",
                "clip the gradient (clipnorm=1.0), lower the learning rate, or start "
                'with recurrent_initializer="orthogonal"; see refrain.tbptt too',
            )
        )
    found += _saturated(active)
    if active.dead > DEAD_UNITS * active.units:
        found.append(
            Remark(
                "dead",
                f"{active.dead} of {active.units} units hardly vary over all sequences",
                "take fewer units, a lower learning rate, or tanh in place of relu",
            )
        )
    return tuple(found)


def _vanishing(flow: GradientFlow, active: Activity) -> Remark:
    if not active.keeps:
        advice = (
            "take a cell with gates (LSTM, GRU), or irnn or antisymmetric_rnn, which "
            "start as one that remembers"
        )
    elif any(keep.mean < LETS_GO for keep in active.keeps):
        advice = (
            "start with a larger bias of the forget gate (unit_forget_bias=True, or "
            "cells.janet, whose biases start for memories of 200 steps)"
        )
    else:
        advice = "train longer, or feed shorter sequences if the task allows it"
    return Remark(
        "vanishing",
        f"the influence of a state is below {FADED:.0%} after {flow.horizon} of "
        f"{flow.steps} steps",
        advice,
    )


def _saturated(active: Activity) -> list[Remark]:
    found = []
    for gate in active.gates:
        for share, end in ((gate.near_low, gate.low), (gate.near_high, gate.high)):
            if share > SATURATED:
                found.append(
                    Remark(
                        "saturated",
                        f"{gate.name} is within {EDGE:.0%} of its range from {end:g} "
                        f"in {share:.0%} of all steps, where it hardly learns",
                        "scale the input to about -1 to 1, or lower the learning rate",
                    )
                )
    return found
