"""Cells alone, in our layers, in Keras's layers, and beside a user's own Keras cells.

`test_backends.py` runs this file once more on other backends.
"""

import keras
import numpy as np
import pytest
from keras import ops, tree

from refrain import cells, layers
from tests.layers.contract import Case, Trial, array, assert_same, copy_weights, real

BATCH, STEPS, FEATURES, UNITS = 3, 5, 4, 6
CELLS = {
    "rnn": lambda of, **more: of.SimpleRNNCell(UNITS, **more),
    "lstm": lambda of, **more: of.LSTMCell(UNITS, **more),
    "gru": lambda of, **more: of.GRUCell(UNITS, **more),
    "gru-before": lambda of, **more: of.GRUCell(UNITS, reset_after=False, **more),
}
EQUATIONS = {
    "rnn": cells.simple_rnn(UNITS),
    "lstm": cells.lstm(UNITS),
    "gru": cells.gru(UNITS),
    "gru-before": cells.gru(UNITS, reset_after=False),
}
DROPPED = {"dropout": 0.3, "recurrent_dropout": 0.4, "seed": 2}


class Turned(keras.layers.LSTMCell):
    """A user's own step, with an operation that equations do not know."""

    def call(self, inputs, states, training=False):
        turned = ops.arctan(inputs)
        return super().call(turned, states, training=training)


def step(cell, x, states, **call):
    output, new = cell(x, states, **call)
    return [array(a) for a in (output, *tree.flatten(new))]


@pytest.mark.parametrize("kind", CELLS)
def test_one_step_with_dropout_equals_keras(kind, rng):
    x = real(rng, BATCH, FEATURES)
    ours = CELLS[kind](layers, **DROPPED)
    theirs = CELLS[kind](keras.layers, **DROPPED)
    states = [real(rng, BATCH, UNITS) for _ in ours.get_initial_state(BATCH)]
    ours.build(x.shape)
    theirs.build(x.shape)
    copy_weights(ours, theirs)
    found = step(ours, x, states, training=True)
    expected = step(theirs, x, states, training=True)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_single_state_may_come_without_a_list(rng):
    x, h = real(rng, BATCH, FEATURES), real(rng, BATCH, UNITS)
    cell = layers.SimpleRNNCell(UNITS)
    output, new = cell(x, h)
    assert tuple(new.shape) == (BATCH, UNITS)
    np.testing.assert_array_equal(array(output), array(cell(x, [h])[0]))


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize(
    ("kind", "training"),
    [("rnn", False), ("lstm", True), ("gru", True), ("gru-before", False)],
)
def test_equations_equal_the_layer_of_their_name(kind, training):
    """The same weights in the same order, and the same dropout."""

    def by_equations(of):
        cell = of.CellLayer(EQUATIONS[kind], **DROPPED)
        return of.RNN(cell, return_sequences=True)

    def by_name(of):
        cell = CELLS[kind](of, **DROPPED)
        return of.RNN(cell, return_sequences=True)

    found = Trial(layers, Case(by_equations, training=training)).gradients()
    assert_same(
        found, Trial(keras.layers, Case(by_name, training=training)).gradients()
    )


def test_our_cells_serve_in_keras_layers(rng):
    x = real(rng, BATCH, STEPS, FEATURES)
    cell = layers.LSTMCell(UNITS)
    theirs, ours = keras.layers.RNN(cell), layers.RNN(cell)
    np.testing.assert_allclose(array(theirs(x)), array(ours(x)), atol=1e-6)


@pytest.mark.usefixtures("path")
def test_keras_cells_serve_in_our_layers(rng):
    x = real(rng, BATCH, STEPS, FEATURES)
    cell = keras.layers.GRUCell(UNITS)
    theirs, ours = keras.layers.RNN(cell), layers.RNN(cell)
    np.testing.assert_allclose(array(ours(x)), array(theirs(x)), atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda of: of.RNN(Turned(UNITS)),
        lambda of: of.RNN([of.GRUCell(3), Turned(UNITS)]),
        lambda of: of.RNN(of.LSTMCell(UNITS, activation=lambda v: ops.arctan(v))),
    ],
    ids=["own call", "own call in a stack", "own activation"],
)
def test_a_step_without_equations_runs_as_keras_runs_it(make):
    case = Case(make)
    trial = Trial(layers, case)
    assert "Keras's own loop" in trial.layer.explain()
    assert_same(trial.outputs(), Trial(keras.layers, case).outputs())
