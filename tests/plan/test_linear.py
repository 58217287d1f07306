"""Which cells are linear in their states, told by name and by numbers."""

import functools

import numpy as np
import pytest

from refrain import cells
from refrain.cells import cell, scalar, vector
from refrain.functions import abs as absolute
from refrain.functions import layer_norm, mean, sigmoid, softmax, tanh, where
from refrain.graph.evaluate import evaluate
from refrain.plan.linear import is_linear
from refrain.runtime.driver import Request, kernel_for, step_graph
from tests.randoms import random_states, random_weights, unpacked


@cell(state="h", gates=("z", "n"))
def min_gru(x, h_prev, W, b):
    """Gates that see the input alone, after Feng et al. 2024, 2410.01201."""
    z = sigmoid(x @ W.z + b.z)
    return (1 - z) * h_prev + z * (x @ W.n + b.n)


@cell(state="h", gates=("f", "i", "n"))
def min_lstm(x, h_prev, W, b):
    """The same of an LSTM; the gates share one sum."""
    f, i = sigmoid(x @ W.f + b.f), sigmoid(x @ W.i + b.i)
    return f / (f + i) * h_prev + i / (f + i) * (x @ W.n + b.n)


@cell(state="c", output="h", gates=("f", "z", "o"))
def quasi_rnn(x, c_prev, W, b):
    """Pooling with forget and output gates, after Bradbury et al. 2016, 1611.01576."""
    f = sigmoid(x @ W.f + b.f)
    c = f * c_prev + (1 - f) * tanh(x @ W.z + b.z)
    return sigmoid(x @ W.o + b.o) * tanh(c), c


@cell(state="s", rate=scalar())
def leaky_integrator(x, s_prev, W, rate):
    a = sigmoid(rate)
    return a * s_prev + (1 - a) * (x @ W)


@cell(state=("s", "v"), d=vector())
def oscillator(x, s_prev, v_prev, W, U, d):
    """Two states, a full matrix, signs and quotients."""
    v = v_prev - (s_prev @ U) / (1.0 + absolute(x @ W)) - d * v_prev
    return s_prev + 0.1 * v, v


@cell(state=("now", "before"))
def delay(x, now_prev, before_prev, W):
    return x @ W + 0.5 * before_prev, now_prev


@cell(state="h")
def centred(x, h_prev, W):
    return where(x @ W > 0.0, h_prev - mean(h_prev), -h_prev)


LINEAR = [min_gru, min_lstm, quasi_rnn, leaky_integrator, oscillator, delay, centred]


@cell(state="h")
def chosen_by_state(x, h_prev, W):
    return where(h_prev > 0.0, h_prev, 0.5 * h_prev) + x @ W


@cell(state="h")
def squared(x, h_prev, W):
    return h_prev * h_prev + x @ W


@cell(state=("h", "c"))
def crossed(x, h_prev, c_prev, W):
    """Linear in each state, and not in both."""
    return h_prev * c_prev + x @ W, 0.5 * c_prev


@cell(state="h")
def inverted(x, h_prev, W):
    return x @ W / (2.0 + h_prev)


@cell(state="h", s=vector(initializer="ones"))
def normalised(x, h_prev, W, s):
    return layer_norm(h_prev + x @ W, s)


@cell(state="h")
def attending(x, h_prev, W):
    return softmax(h_prev) + x @ W


NOT_LINEAR = [
    cells.simple_rnn,
    functools.partial(cells.simple_rnn, activation="relu"),
    cells.lstm,
    cells.gru,
    functools.partial(cells.gru, reset_after=False),
    chosen_by_state,
    squared,
    crossed,
    inverted,
    normalised,
    attending,
]


def linear(sized) -> bool:
    return is_linear(sized.graph, tuple(sized.cell.states))


@pytest.mark.parametrize("make", LINEAR, ids=repr)
def test_linear_cell_is_recognised(make):
    assert linear(make(4))


@pytest.mark.parametrize("make", NOT_LINEAR, ids=repr)
def test_other_cell_is_not_taken_for_linear(make):
    assert not linear(make(4))


def test_simple_rnn_without_activation_is_linear():
    assert linear(cells.simple_rnn(4, activation="linear"))


@pytest.mark.parametrize("make", [*LINEAR, *NOT_LINEAR], ids=repr)
def test_states_of_linear_cells_alone_add_up(make, rng):
    """What linear means: apart from new(0), new(a + b) is new(a) + new(b)."""
    sized = make(6)
    weights = unpacked(sized, 3, random_weights(sized, 3, rng))
    x, states = rng.normal(size=(4, 3)), list(sized.cell.states)

    def new(old):
        entering = {f"{s}_prev": value for s, value in old.items()}
        found = evaluate(sized.graph, {"x": x, **entering, **weights})
        return np.concatenate([found[s] for s in states], axis=1)

    a, b = random_states(sized, 4, rng), random_states(sized, 4, rng)
    rest = new({s: np.zeros_like(a[s]) for s in states})
    together = new({s: a[s] + b[s] for s in states}) - rest
    apart = (new(a) - rest) + (new(b) - rest)
    assert np.allclose(together, apart, atol=1e-12) == linear(sized)


@pytest.mark.parametrize("mask", ["hold", "zero"])
def test_masks_and_dropout_of_the_input_keep_a_cell_linear(mask):
    request = Request(min_gru(4), 3, mask=mask, dropout=("dropout",))
    assert is_linear(*step_graph(request))


def test_kernels_know_whether_their_cell_is_linear():
    assert kernel_for(Request(leaky_integrator(4), 3)).linear
    assert not kernel_for(Request(cells.lstm(4), 3)).linear
