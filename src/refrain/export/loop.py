"""What is written as a loop over time, and what a loop leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from refrain.cells import SizedCell
from refrain.export.writer import Name, Writer
from refrain.graph.graph import Graph
from refrain.runtime.driver import Request, step_graph

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Loop:
    """A cell over a sequence.

    Attributes:
        sized: the cell.
        features: size of its input.
        weights: float32, an array for each weight leaf (`W.i`).
        against_time: from the last step to the first.
        zero_output_for_mask: the output of a skipped step is zero, and not that of
            the step before.
    """

    sized: SizedCell
    features: int
    weights: Arrays
    against_time: bool = False
    zero_output_for_mask: bool = False

    def states(self, masked: bool) -> dict[str, int]:
        """Names and sizes of what goes from step to step."""
        request = self._request(masked)
        sizes = dict(zip(self.sized.cell.states, self.sized.state_size, strict=True))
        _, names = step_graph(request)
        return {n: sizes.get(n, self.sized.output_size) for n in names}

    def graph(self, masked: bool) -> Graph:
        """The equations of one step."""
        return step_graph(self._request(masked))[0]

    def _request(self, masked: bool) -> Request:
        kind = "zero" if self.zero_output_for_mask else "hold"
        return Request(self.sized, self.features, mask=kind if masked else None)


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
