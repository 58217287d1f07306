"""Cells with random equations: what nobody writes, and a compiler has to get right.

A number stands for a cell. Its equations read weights of every shape, reduce, divide,
choose, and return copies, constants and functions of weights alone among their states.
"""

import random

from refrain.cells import Cell, cell, matrix, scalar, vector
from refrain.functions import (
    cos,
    exp,
    layer_norm,
    log,
    maximum,
    mean,
    minimum,
    relu,
    sigmoid,
    softmax,
    softplus,
    sqrt,
    tanh,
    where,
)
from refrain.functions import max as largest

SIZES = ("features", "units", "memory")
MATRICES = {f"{left}_{right}": (left, right) for left in SIZES for right in SIZES[1:]}
POINTWISE = (
    *(tanh, sigmoid, relu, softplus, cos, abs),
    lambda v: exp(-abs(v)),
    lambda v: log(0.5 + abs(v)),
    lambda v: sqrt(0.3 + v * v),
    lambda v: -v,
)
OF_TWO = (
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / (1.0 + abs(b)),
    maximum,
    minimum,
    lambda a, b: where(a > b, a, 0.5 * b),
)
WHOLE = (
    softmax,
    lambda v: v - mean(v),
    lambda v: exp(v - largest(v)),
    lambda v: (v - mean(v)) / sqrt(mean(v * v) + 0.1),
)


def drawn_cell(seed: int) -> Cell:
    """The cell that a number stands for: states `s` and `t`, of two sizes."""

    @cell(
        state={"s": "units", "t": "memory"},
        output="y",
        b=vector("units", initializer="uniform"),
        d=vector("memory", initializer="uniform"),
        a=scalar(initializer="ones"),
        **{name: matrix(*shape) for name, shape in MATRICES.items()},
    )
    def drawn(
        x,
        s_prev,
        t_prev,
        b,
        d,
        a,
        features_units,
        features_memory,
        units_units,
        units_memory,
        memory_units,
        memory_memory,
    ):
        given = locals()
        matrices = {shape: given[name] for name, shape in MATRICES.items()}
        values = {"features": [x], "units": [s_prev, b], "memory": [t_prev, d]}
        return _Draw(random.Random(seed), matrices, values, a).results()  # noqa: S311

    return drawn


class _Draw:
    """Draws values from those that there are, each with a size."""

    def __init__(self, rng, matrices, values, number):
        self.rng, self.matrices, self.values = rng, matrices, values
        self.numbers = [number]

    def results(self):
        """The output, then the states."""
        for _ in range(self.rng.randint(2, 9)):
            size = self.rng.choice(SIZES[1:])
            self.values[size].append(self.value(size))
            if self.rng.random() < 0.2:
                reduce = self.rng.choice((mean, largest))
                self.numbers.append(reduce(self.some(self.rng.choice(SIZES))))
        output = self.state(self.rng.choice(SIZES[1:]), 0)
        return output, self.state("units", 0), self.state("memory", 0)

    def state(self, size, old):
        """Mostly bounded, so that long sequences stay tame; never its own old value."""
        others = [v for k, v in enumerate(self.values[size]) if k != old]
        value = self.rng.choice(others[-3:])
        return tanh(value) if self.rng.random() < 0.6 else value

    def some(self, size):
        return self.rng.choice(self.values[size][-4:])

    def value(self, size):
        draw, some = self.rng.choice, self.some
        kind = self.rng.random()
        if kind < 0.2:
            return draw(POINTWISE)(some(size))
        if kind < 0.45:
            return draw(OF_TWO)(some(size), some(size))
        if kind < 0.55:
            return draw(WHOLE)(some(size))
        if kind < 0.6:
            return layer_norm(some(size), some(size))
        if kind < 0.65:
            return some(size) * draw(self.numbers)
        lefts = [draw(SIZES) for _ in range(self.rng.randint(1, 3))]
        total = some(size)
        for left in lefts:
            total = total + some(left) @ self.matrices[left, size]
        return draw((tanh, sigmoid))(total)
