"""A table of products in place of an embedding and the products of its vectors."""

import keras
import numpy as np
import pytest

import refrain
from refrain import cells
from refrain.graph.verify import verify
from refrain.keras import layers as ours
from refrain.stream import fold
from refrain.stream.stepper import Stepper
from tests.randoms import sized_cell
from tests.stream.test_stream import randomised

L = keras.layers
CELLS = (  # inputs that enter by products, beside them, and more than once
    *(cells.lstm, cells.gru, cells.simple_rnn, cells.layer_norm_lstm, cells.rhn),
    *(cells.multiplicative_lstm, cells.sru, cells.mut1, cells.qrnn),
)


def words(layers, rng):
    made = [L.Input((None,), dtype="int32"), L.Embedding(20, 7), *layers]
    return randomised(keras.Sequential(made), rng)


def streams(model, monkeypatch, sessions=None):
    """With a table of products, and without one."""
    with_table = refrain.stream.open(model, sessions)
    with monkeypatch.context() as patch:
        patch.setattr(fold, "LARGEST", 0)
        return with_table, refrain.stream.open(model, sessions)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_table_computes_the_same(cell, rng, monkeypatch):
    model = words([ours.RNN(sized_cell(cell, 7), return_sequences=True)], rng)
    one, other = streams(model, monkeypatch)
    x = rng.integers(20, size=13)
    np.testing.assert_allclose(one.run(x), other.run(x), rtol=1e-5, atol=1e-5)
    stepped = np.stack([one.step(int(word)).copy() for word in x])
    again = np.stack([other.step(word).copy() for word in x])
    np.testing.assert_allclose(stepped, again, rtol=1e-5, atol=1e-5)


def test_products_leave_the_step(rng, monkeypatch):
    one, other = streams(words([ours.LSTM(9)], rng), monkeypatch)
    assert one._engine.table.shape == (20, 4 * 9)
    assert other._engine.table.shape == (20, 7)
    assert one._engine.weights.size < other._engine.weights.size
    verify(fold.folded(one._engine.stepper).graph)


@pytest.mark.parametrize("sessions", [1, 5])
def test_sessions_read_rows_of_their_own(sessions, rng, monkeypatch):
    model = words([ours.GRU(9), L.Dense(2)], rng)
    one, other = streams(model, monkeypatch, sessions)
    x = rng.integers(20, size=(sessions, 8))
    np.testing.assert_allclose(one.run(x), other.run(x), rtol=1e-5, atol=1e-6)


def test_states_and_files_are_those_of_the_network(rng, monkeypatch, tmp_path):
    one, other = streams(words([ours.GRU(9)], rng), monkeypatch)
    x = rng.integers(20, size=13)
    one.run(x)
    other.restore(one.state())
    np.testing.assert_allclose(one.run(x), other.run(x), atol=1e-6)
    one.save(tmp_path / "net.step")
    loaded = refrain.stream.load(tmp_path / "net.step")
    one.reset()
    assert np.array_equal(loaded.run(x), one.run(x))


def normalised(rng):
    return words([L.LayerNormalization(), ours.GRU(4)], rng)


def looks_back(rng):
    return words([L.Conv1D(5, 3, padding="causal"), ours.GRU(4)], rng)


@pytest.mark.parametrize("make", [normalised, looks_back])
def test_a_vector_that_is_read_as_such_stays(make, rng):
    model = make(rng)
    stepper = Stepper.of(model)
    assert fold.folded(stepper) is stepper
    x = rng.integers(20, size=(1, 6))
    found = refrain.stream.open(model).run(x[0])[-1]
    np.testing.assert_allclose(found, model.predict(x, verbose=0)[0], atol=1e-6)
