"""A cell is read once, and again when something has changed that its `call` sees.

`test_backends.py` runs this file once more on other backends.
"""

import types

import keras
import numpy as np
import pytest
from keras import ops

from refrain import layers
from tests.layers.contract import array, real

SHAPE = (3, 6, 5)
FACTOR = 1.0
settings = types.ModuleType("settings")
settings.FACTOR = 1.0


class Options:
    factor = 1.0


class Cell(keras.layers.Layer):
    """A cell with a factor from somewhere, which tells when it is read."""

    shared = 1.0

    def __init__(self, factor=None):
        super().__init__()
        self.state_size = 4
        self.one = 1.0
        self.listed, self.named = [1.0, 1.0], {"factor": 1.0}
        self.table = np.ones(2)
        self.options = Options()
        self.factor = factor or (lambda cell: cell.one)
        self.dense = keras.layers.Dense(4, use_bias=False)

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 4), name="kernel")
        self.dense.build((None, 4))

    def call(self, inputs, states, training=False):
        print("read")
        z = inputs @ self.kernel + self.dense(states[0])
        h = ops.tanh(z) * self.factor(self) * (0.9 if training else 1.0)
        return h, [h]


def of_closure():
    factor = 1.0

    def change():
        nonlocal factor
        factor = 0.5

    return lambda cell: factor, change


def set_global():
    global FACTOR
    FACTOR = 0.5


INSIDE, change_inside = of_closure()
CHANGES = {
    "an attribute": (None, lambda cell: setattr(cell, "one", 0.5)),
    "another function": (
        None,
        lambda cell: setattr(cell, "factor", lambda cell: cell.one / 2),
    ),
    "a list": (
        lambda cell: cell.listed[1],
        lambda cell: cell.listed.__setitem__(1, 0.5),
    ),
    "a dictionary": (
        lambda cell: cell.named["factor"],
        lambda cell: cell.named.update({"factor": 0.5}),
    ),
    "an array": (
        lambda cell: float(cell.table[1]),
        lambda cell: cell.table.__setitem__(1, 0.5),
    ),
    "an object": (
        lambda cell: cell.options.factor,
        lambda cell: setattr(cell.options, "factor", 0.5),
    ),
    "a layer inside": (
        None,
        lambda cell: setattr(cell.dense, "activation", keras.activations.relu),
    ),
    "the class": (lambda cell: cell.shared, lambda _: setattr(Cell, "shared", 0.5)),
    "a variable around": (INSIDE, lambda _: change_inside()),
    "a global": (lambda _: FACTOR, lambda _: set_global()),
    "a module": (
        lambda _: settings.FACTOR,
        lambda _: setattr(settings, "FACTOR", 0.5),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_is_noticed(name, rng):
    factor, change = CHANGES[name]
    cell, x = Cell(factor), real(rng, *SHAPE)
    layer = layers.RNN(cell)
    before = array(layer(x))
    assert "the equations of Cell" in layer.explain()
    change(cell)
    found = array(layer(x))
    assert np.abs(found - before).max() > 1e-3
    expected = array(keras.layers.RNN(cell)(x))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_nothing_is_read_twice(rng, capsys):
    layer, x = layers.RNN(Cell()), real(rng, *SHAPE)

    def reads(**call):
        layer(x, **call)
        return capsys.readouterr().out.count("read")

    assert reads() == 3  # in both modes, and once more to see that it is the same
    assert reads() == 0
    assert reads(training=True) == 3
    assert reads(training=True) == reads() == 0
    layer.cell.one = 2.0
    assert reads() == 3


def test_a_cell_that_sees_random_numbers_is_read_each_time(rng, capsys):
    layer, x = layers.RNN(Cell()), real(rng, *SHAPE)
    layer.cell.generator = np.random.default_rng(0)
    for _ in range(2):
        layer(x)
        assert capsys.readouterr().out.count("read") == 3
