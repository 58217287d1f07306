"""Fresh weights are drawn as Keras draws them."""

import keras
import numpy as np
import pytest

from refrain import cells, layers
from refrain.cells import cell, matrix, scalar, vector
from tests.layers.contract import array

FEATURES, UNITS = 5, 8
KINDS = {
    "rnn": lambda of: of.SimpleRNN(UNITS),
    "lstm": lambda of: of.LSTM(UNITS),
    "lstm, no forget bias": lambda of: of.LSTM(UNITS, unit_forget_bias=False),
    "gru": lambda of: of.GRU(UNITS),
    "both ways": lambda of: of.Bidirectional(of.GRU(UNITS)),
    "initialisers": lambda of: of.LSTM(
        UNITS,
        kernel_initializer="he_normal",
        recurrent_initializer="identity",
        bias_initializer="ones",
    ),
}


def fresh(layer):
    layer.build((None, 3, FEATURES))
    return {w.path.split("/", 1)[1]: array(w.value) for w in layer.weights}


@pytest.mark.parametrize("name", KINDS)
def test_the_same_seed_gives_the_weights_of_keras(name):
    drawn = []
    for namespace in (layers, keras.layers):
        keras.utils.set_random_seed(11)
        drawn.append(list(fresh(KINDS[name](namespace)).values()))
    for ours, theirs in zip(*drawn, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("make", [cells.simple_rnn, cells.lstm, cells.gru], ids=repr)
def test_equations_start_as_the_layer_of_their_name(make):
    kernel, recurrent, bias = fresh(layers.RNN(make(UNITS))).values()
    gates = max(1, len(make.gates))
    assert kernel.shape == (FEATURES, gates * UNITS)
    limit = np.sqrt(6 / (FEATURES + gates * UNITS))  # Glorot and Bengio 2010
    assert 0.8 * limit < np.abs(kernel).max() <= limit
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(UNITS), atol=1e-5)
    expected = np.zeros(bias.shape)
    if make is cells.lstm:
        expected[UNITS : 2 * UNITS] = 1.0
    np.testing.assert_array_equal(bias, expected)


def test_fresh_equations_repeat_with_the_seed_alone():
    drawn = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        drawn.append(list(fresh(layers.RNN(cells.gru(UNITS))).values()))
    np.testing.assert_array_equal(drawn[0][0], drawn[1][0])
    np.testing.assert_array_equal(drawn[0][1], drawn[1][1])
    assert np.abs(drawn[0][0] - drawn[2][0]).max() > 0.01
    assert np.abs(drawn[0][1] - drawn[2][1]).max() > 0.01


@cell(
    state="h",
    gates=("a", "d"),
    p=vector(gates=("a", "d"), initializer="ones", by_gate={"d": -2.0}),
    q=vector(gates=("a", "d"), variable="p", by_gate={"a": 0.5}),
    V=matrix("units", "units", initializer="identity"),
    s=scalar(initializer=3.0),
)
def declared(x, h_prev, W, U, b, p, q, V, s):
    """Weights of every kind."""
    a = x @ W.a + h_prev @ U.a + b.a + p.a * h_prev + q.a
    return a * s + x @ W.d + h_prev @ V + p.d + q.d + b.d + h_prev @ U.d


def test_declared_initialisers_reach_their_weights():
    found = fresh(layers.RNN(declared(2)))
    found = {path.rsplit("/")[-1]: value for path, value in found.items()}
    np.testing.assert_array_equal(found["p"], [[1, 1, -2, -2], [0.5, 0.5, 0, 0]])
    np.testing.assert_array_equal(found["V"], np.eye(2))
    assert found["s"] == 3.0


def test_a_janet_starts_with_memories_of_all_lengths():
    *_, bias = fresh(layers.RNN(cells.janet(400))).values()
    forget, candidate = np.split(bias, 2)
    assert not candidate.any()
    steps = np.exp(forget)  # uniform from 1 to 199
    assert steps.min() > 0.999
    assert steps.max() < 199.01
    assert abs(steps.mean() - 100.0) < 15.0


def test_an_irnn_starts_by_copying_its_state():
    kernel, recurrent, bias = fresh(layers.RNN(cells.irnn(200))).values()
    assert kernel.std() == pytest.approx(0.001, rel=0.1)
    np.testing.assert_array_equal(recurrent, np.eye(200))
    assert not bias.any()


def first_values(sized):
    """Fresh weights by name, those of one layer."""
    keras.utils.set_random_seed(3)
    return {p.rsplit("/")[-1]: v for p, v in fresh(layers.RNN(sized)).items()}


def test_lru_starts_on_its_ring():
    found = first_values(cells.lru(400))
    nu, theta, gamma = np.split(found["eigenvalue"].astype("float64"), 3)
    size, phase = np.exp(-np.exp(nu)), np.exp(theta)
    assert 0.9 <= size.min() < 0.905
    assert 0.995 < size.max() <= 0.999
    assert np.abs(np.mean(size**2) - (0.9**2 + 0.999**2) / 2) < 0.01  # even by area
    assert phase.max() < 2 * np.pi
    assert phase.mean() == pytest.approx(np.pi, abs=0.3)
    np.testing.assert_allclose(np.exp(gamma), np.sqrt(1 - size**2), rtol=1e-4)
    inputs = found["kernel"][:, :800].astype("float64")
    assert inputs.var() == pytest.approx(1 / (2 * FEATURES), rel=0.1)


def test_rg_lru_starts_slow():
    decay = first_values(cells.rg_lru(400))["decay"].astype("float64")
    kept = (1 / (1 + np.exp(-decay))) ** 8
    assert 0.9 <= kept.min() < 0.905
    assert 0.994 < kept.max() < 0.9991


def test_indrnn_starts_with_any_memory():
    u = first_values(cells.indrnn(400))["u"]
    assert 0 <= u.min() < 0.02
    assert 0.98 < u.max() < 1


BIASES = {  # a number a gate, as the papers or their authors' code start them
    "lstm_1997": (-1, 0, 0),
    "peephole_lstm": (0, 1, 0, 0),
    "coupled_lstm": (0, 0, 0),
    "lstm_projection": (0, 1, 0, 0),
    "multiplicative_lstm": (0, 1, 0, 0),
    "layer_norm_lstm": (0, 1, 0, 0),
    "slstm": (0, 1, 0, 0),
    "ugrnn": (1, 0),
    "cfn": (1, -1),
    "fast_grnn": (1, 1),
    "rhn": (0, -2, 0, -2, 0, -2),
}


@pytest.mark.parametrize("name", BIASES)
def test_biases_start_where_the_papers_have_them(name):
    made = getattr(cells, name)
    found = first_values(made(UNITS, **dict.fromkeys(made.sizes[1:], UNITS)))["bias"]
    np.testing.assert_array_equal(found, np.repeat(BIASES[name], UNITS))


def test_weights_of_residuals_start_where_the_authors_have_them():
    found = first_values(cells.fast_rnn(UNITS))
    assert (found["alpha"], found["beta"]) == (-3, 3)
    found = first_values(cells.fast_grnn(UNITS))
    assert (found["zeta"], found["nu"]) == (1, -4)


def test_peepholes_start_shut_and_gains_at_one():
    assert not first_values(cells.peephole_lstm(UNITS))["peephole"].any()
    for made in (cells.layer_norm_lstm, cells.layer_norm_gru):
        assert (first_values(made(UNITS))["gain"] == 1).all()


def test_values_of_ones_own_follow_the_seed():
    drawn = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        _, u, _ = fresh(layers.RNN(cells.indrnn(9))).values()
        drawn.append(u)
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert np.abs(drawn[0] - drawn[2]).max() > 0.01
