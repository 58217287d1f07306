"""Declarations of a cell's weights, and the variables that pack them as Keras does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refrain.errors import CellError, CellShapeError
from refrain.graph.node import Shape

BIAS = "bias"
Initializer = str | float | Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Weight:
    """Declaration of one weight argument of a cell's equations.

    Attributes:
        shape: symbolic shape of one gate's part, e.g. ("features", "units").
        variable: the Keras variable that holds it. Weights of one variable are
            stacked along a new first axis.
        gates: the gates that have a part, packed side by side along the last axis in
            this order; empty for a weight of one part.
        initializer: name of a Keras initialiser, a constant, or a function that makes
            the first values of uniform numbers in [0, 1); for the whole variable.
        by_gate: other initialisers for single gates.
        when: name of an option without which the weight does not exist.
    """

    shape: Shape
    variable: str
    gates: tuple[str, ...] = ()
    initializer: Initializer = "glorot_uniform"
    by_gate: Mapping[str, Initializer] = field(default_factory=dict)
    when: str | None = None

    def __post_init__(self):
        if len(set(self.gates)) < len(self.gates):
            raise CellError(f"{', '.join(self.gates)}: a gate is named twice")
        unknown = set(self.by_gate) - set(self.gates)
        if unknown:
            raise CellError(
                f"by_gate: {', '.join(sorted(unknown))} is no gate of this weight; "
                f"expected among {', '.join(self.gates) or 'none'}"
            )

    @property
    def parts(self) -> int:
        """How many parts lie side by side along the last axis."""
        return max(1, len(self.gates))

    def packed_shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The shape in numbers, all parts side by side."""
        shape = tuple(sizes[s] for s in self.shape)
        if not shape:
            return (self.parts,) if self.gates else ()
        return (*shape[:-1], shape[-1] * self.parts)


def matrix(rows="features", columns="units", variable="", **declaration) -> Weight:
    """Declare a matrix, used as `vector @ matrix`."""
    return Weight((rows, columns), variable, **declaration)


def vector(
    size="units", variable="", initializer: Initializer = "zeros", **declaration
) -> Weight:
    """Declare a vector with one number a unit, e.g. a peephole or a bias."""
    return Weight((size,), variable, initializer=initializer, **declaration)


def scalar(variable="", initializer: Initializer = "zeros", **declaration) -> Weight:
    """Declare one trained number."""
    return Weight((), variable, initializer=initializer, **declaration)


USUAL = {
    "W": matrix("features", "units", "kernel"),
    "U": matrix("units", "units", "recurrent_kernel", initializer="orthogonal"),
    "b": vector("units", BIAS),
}


@dataclass(frozen=True)
class Variable:
    """One array of a cell as Keras stores it: one or more weights, packed.

    Attributes:
        name: `kernel`, `recurrent_kernel`, `bias`, ...
        weights: the weights that it holds by argument name; several are stacked.
        shape: its shape in numbers.
    """

    name: str
    weights: Mapping[str, Weight]
    shape: tuple[int, ...]

    def unpack(self, array: Any) -> dict[str, Any]:
        """Views of `array`, one a leaf of the graph (`W.i`)."""
        if tuple(array.shape) != self.shape:
            raise CellShapeError(
                f"{self.name}: expected shape {self.shape}, received "
                f"{tuple(array.shape)}.\n  Hint: gates are packed side by side along "
                "the last axis, as Keras packs them."
            )
        parts: dict[str, Any] = {}
        for row, (argument, weight) in enumerate(self.weights.items()):
            block = array[row] if len(self.weights) > 1 else array
            if not weight.gates:
                parts[argument] = block
                continue
            width = block.shape[-1] // weight.parts
            for k, gate in enumerate(weight.gates):
                part = block[..., k * width : (k + 1) * width]
                parts[f"{argument}.{gate}"] = part
        return parts
