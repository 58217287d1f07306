"""Cells of any size, and random, distinct values for their leaves, in float64."""

import numpy as np

from refrain.cells import Cell, SizedCell


def sized_cell(make: Cell, units: int) -> SizedCell:
    """A cell with this number of units; its other sizes are other numbers."""
    others = {name: units + k for k, name in enumerate(make.sizes[1:], 1)}
    return make(units, **others)


def random_weights(sized: SizedCell, features: int, rng) -> dict[str, np.ndarray]:
    """Variables as Keras packs them, every gate with numbers of its own."""
    return {
        v.name: rng.normal(size=v.shape, scale=0.5) for v in sized.variables(features)
    }


def unpacked(sized: SizedCell, features: int, variables) -> dict[str, np.ndarray]:
    """The same weights, one array a leaf of the graph."""
    parts: dict[str, np.ndarray] = {}
    for variable in sized.variables(features):
        parts |= variable.unpack(variables[variable.name])
    return parts


def random_states(sized: SizedCell, batch: int, rng) -> dict[str, np.ndarray]:
    sizes = dict(zip(sized.cell.states, sized.state_size, strict=True))
    states = {name: rng.normal(size=(batch, size)) for name, size in sizes.items()}
    if sized.cell.name == "slstm":  # its normaliser is a sum of exponentials
        states["n"] = np.exp(states["n"])
    return states
