"""Many steps at once: products of the input in pieces, the bits of single steps."""

import keras
import numpy as np
import pytest

import refrain
from refrain import cells
from refrain.emit.llvm import pieces
from refrain.keras import layers as ours
from tests.randoms import sized_cell
from tests.stream.test_stream import randomised, steps

L = keras.layers
CELLS = (  # the input in one product or in several, in the first stage or a later one
    *(cells.lstm, cells.gru, cells.simple_rnn, cells.layer_norm_lstm, cells.rhn),
    *(cells.multiplicative_lstm, cells.mut2, cells.min_lstm, cells.sru, cells.scrn),
)


@pytest.mark.parametrize("sizes", [(5, 3), (37, 34), (150, 131)], ids=str)
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_pieces_compute_the_bits_of_steps(cell, sizes, rng):
    units, features = sizes
    layer = ours.RNN(sized_cell(cell, units), return_sequences=True)
    made = [L.Input((None, features)), layer, L.Dense(3)]
    stream = refrain.stream.open(randomised(keras.Sequential(made), rng))
    x = rng.normal(size=(70, features)).astype("float32")
    expected = steps(stream, x)
    stream.reset()
    parts = np.split(x, [1, 34, 35])  # a step, a piece and one more, and so on
    assert np.array_equal(np.concatenate([stream.run(p) for p in parts]), expected)


@pytest.mark.parametrize("room", [0, 300, 1000])
def test_networks_of_any_width_have_room(room, rng, monkeypatch):
    """A step of 4,097 LSTM units has more sums than wait; here the room is smaller."""
    monkeypatch.setattr(pieces, "ROOM", room)
    made = [L.Input((None, 6)), ours.LSTM(9, return_sequences=True)]
    stream = refrain.stream.open(randomised(keras.Sequential(made), rng))
    x = rng.normal(size=(10, 6)).astype("float32")
    expected = steps(stream, x)
    stream.reset()
    assert np.array_equal(stream.run(x), expected)


@pytest.mark.parametrize("weights", ["bfloat16", "int8"])
def test_pieces_of_weights_in_few_bits_too(weights, rng):
    made = [L.Input((None, 21)), ours.LSTM(70)]
    model = randomised(keras.Sequential(made), rng)
    stream = refrain.stream.open(model, weights=weights)
    x = rng.normal(size=(40, 21)).astype("float32")
    expected = steps(stream, x)
    stream.reset()
    assert np.array_equal(stream.run(x), expected)
