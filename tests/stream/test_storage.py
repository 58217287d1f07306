"""Weights in fewer bits: what is computed is what the weights that are kept mean."""

from typing import Any

import keras
import ml_dtypes
import numpy as np
import pytest

import refrain
from refrain import cells
from refrain.emit.llvm.storage import stored
from refrain.errors import StreamError
from refrain.keras import layers as ours
from tests.randoms import sized_cell

L = keras.layers
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")
CELLS = (
    *(cells.lstm, cells.gru, cells.simple_rnn, cells.layer_norm_lstm, cells.rhn),
    *(cells.lstm_projection, cells.multiplicative_lstm, cells.peephole_lstm, cells.nas),
)


def model_of(layer, features):
    return keras.Sequential([L.Input((None, features)), layer, L.Dense(3)])


def same(model, storage, rng, features, sessions=None, tolerance=2e-6):
    x = rng.normal(size=(5, 9, features)).astype("float32")
    x = x[0] if sessions is None else x[:sessions]
    found = refrain.stream.open(model, sessions, weights=storage).run(x)
    expected = refrain.stream.open(model, sessions).run(x)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("cell", CELLS, ids=str)
@pytest.mark.parametrize("sessions", [None, 5])
def test_weights_that_bfloat16_holds_are_exact(cell, sessions, rng):
    model = model_of(ours.RNN(sized_cell(cell, 19), return_sequences=True), 7)
    for variable in model.weights:
        value = rng.uniform(-0.6, 0.6, variable.shape)
        variable.assign(value.astype(ml_dtypes.bfloat16).astype("float32"))
    same(model, "bfloat16", rng, 7, sessions)


def test_bfloat16_is_the_nearest(rng):
    numbers = rng.normal(size=4096).astype("float32")
    numbers[:3] = 1.0 + np.float32(2**-8), 1.0 + np.float32(3 * 2**-8), -0.0  # ties
    program: Any = None  # all that int8 alone needs
    found = stored(program, numbers, 16, "bfloat16").view(np.uint16)
    assert np.array_equal(found, numbers.astype(ml_dtypes.bfloat16).view(np.uint16))


@pytest.mark.parametrize("cell", CELLS, ids=str)
@pytest.mark.parametrize("sessions", [None, 5])
def test_whole_numbers_of_one_scale_are_exact(cell, sessions, rng):
    model = model_of(ours.RNN(sized_cell(cell, 19), return_sequences=True), 7)
    for variable in model.weights:
        variable.assign(rng.uniform(-0.6, 0.6, variable.shape))
        if len(variable.shape) == 2 and "kernel" in variable.name:
            whole = rng.integers(-127, 128, variable.shape)
            whole[0] = 127  # the largest of each unit, in all sums
            variable.assign(whole / 127 / 4)
    same(model, "int8", rng, 7, sessions)


def rounded(sums):
    """Columns as int8 keeps them: matrices of one sum share a scale a unit."""
    largest = np.max([np.abs(m).max(axis=0) for m in sums], axis=0)
    scale = np.float32(largest) / np.float32(127)
    return [np.rint(m / scale) * scale for m in sums]


def spread(rng, shape):
    """Weights whose size differs from unit to unit."""
    return rng.normal(size=shape) * rng.uniform(0.05, 1.0, shape[-1])


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_each_unit_of_each_sum_has_its_scale(kind, rng):
    units, features = 21, 6
    layer = getattr(ours, kind)(units, return_sequences=True)
    model = model_of(layer, features)
    for variable in model.weights:
        variable.assign(spread(rng, variable.shape))
    exact = refrain.stream.open(model, weights="int8")
    kernel, recurrent, bias = layer.get_weights()
    if kind == "LSTM":
        kernel, recurrent = rounded([kernel, recurrent])
    else:  # the candidate's products are apart: one is multiplied by the reset gate
        gates = 2 * units
        both = rounded([kernel[:, :gates], recurrent[:, :gates]])
        kernel = np.hstack([both[0], *rounded([kernel[:, gates:]])])
        recurrent = np.hstack([both[1], *rounded([recurrent[:, gates:]])])
    layer.set_weights([kernel, recurrent, bias])
    dense, shift = model.layers[-1].get_weights()
    model.layers[-1].set_weights([*rounded([dense]), shift])
    x = rng.normal(size=(9, features)).astype("float32")
    expected = refrain.stream.open(model).run(x)
    np.testing.assert_allclose(exact.run(x), expected, rtol=1e-5, atol=1e-5)


def test_fewer_bits_are_near_and_smaller(rng):
    model = model_of(ours.LSTM(150, return_sequences=True), 40)
    x = rng.normal(size=(30, 40)).astype("float32")
    streams = [refrain.stream.open(model, weights=w) for w in refrain.stream.STORAGES]
    exact, half, quarter = (stream.run(x) for stream in streams)
    for found in (half, quarter):
        assert 0 < np.abs(found - exact).max() < 0.03
    sizes = [stream._engine.weights.nbytes for stream in streams]
    assert sizes[1] < 0.52 * sizes[0]
    assert sizes[2] < 0.28 * sizes[0]
    with pytest.raises(StreamError, match="another network or other weights"):
        streams[0].restore(streams[1].state())
    with pytest.raises(StreamError, match="weights: expected float32, bfloat16, int8"):
        refrain.stream.open(model, weights="int4")
