"""What is written as a loop over time, and what a loop leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from refrain.export.writer import Name, Writer

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Result:
    """What a loop leaves.

    Attributes:
        outputs: `(batch, timesteps, units)`, in the order of time.
        last_output: `(batch, units)`, of the step that ran last.
        states: after the last step, by name, each `(batch, size)`.
    """

    outputs: Name
    last_output: Name
    states: dict[str, Name]


def last_step(w: Writer, sequence: Name, against_time: bool) -> Name:
    """`(batch, size)`: the step of a sequence that ran last."""
    index = w.constant(np.int64(0 if against_time else -1), "index")
    return w.add("Gather", sequence, index, axis=1)


def zeros(w: Writer, x: Name, size: int) -> Name:
    """`(batch, size)` zeros, for the batch of a value."""
    batch = w.add("Shape", x, start=0, end=1)
    shape = w.add("Concat", batch, w.integers(size), axis=0)
    return w.add("Expand", w.number(0.0), shape)
