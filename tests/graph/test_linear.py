"""Which cells are linear in their states, told by name and by numbers."""

import functools

import numpy as np
import pytest

from refrain import cells
from refrain.cells import cell, scalar, vector
from refrain.functions import abs as absolute
from refrain.functions import layer_norm, mean, sigmoid, softmax, tanh, where
from refrain.graph.evaluate import evaluate
from refrain.graph.linear import linear_levels
from refrain.runtime.driver import Request, kernel_for, step_graph
from tests.randoms import random_states, random_weights, unpacked


@cell(state="s", rate=scalar())
def leaky_integrator(x, s_prev, W, rate):
    a = sigmoid(rate)
    return a * s_prev + (1 - a) * (x @ W)


@cell(state=("s", "v"), d=vector(), k=vector())
def oscillator(x, s_prev, v_prev, W, d, k):
    """Two states, signs and quotients."""
    v = v_prev - (k * s_prev) / (1.0 + absolute(x @ W)) - d * v_prev
    return s_prev + 0.1 * v, v


@cell(state=("now", "before"))
def delay(x, now_prev, before_prev, W):
    return x @ W + 0.5 * before_prev, now_prev


@cell(state="h")
def mirrored(x, h_prev, W):
    return where(x @ W > 0.0, 0.5 * h_prev, -h_prev)


@cell(state=("h", "c", "k"))
def cascade(x, h_prev, c_prev, k_prev, W):
    """Each state is linear once the next is known."""
    h = tanh(c_prev) * h_prev + k_prev * c_prev
    return h, k_prev * c_prev + x @ W, 0.5 * k_prev + tanh(x @ W)


ONE_LEVEL = [
    *(cells.min_gru, cells.min_lstm, cells.lru, cells.rg_lru),
    functools.partial(cells.sru, peephole=False),
    *(leaky_integrator, oscillator, delay, mirrored),
]
LINEAR = [*ONE_LEVEL, cells.qrnn, cascade]


@cell(state="h")
def centred(x, h_prev, W):
    """Linear, but units mix."""
    return h_prev - mean(h_prev) + x @ W


@cell(state="h")
def chosen_by_state(x, h_prev, W):
    return where(h_prev > 0.0, h_prev, 0.5 * h_prev) + x @ W


@cell(state="h")
def squared(x, h_prev, W):
    return h_prev * h_prev + x @ W


@cell(state=("h", "c"))
def crossed(x, h_prev, c_prev, W):
    """Linear in each state, and not in both, which depend on each other."""
    return h_prev * c_prev + x @ W, 0.5 * c_prev + h_prev


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
    functools.partial(cells.simple_rnn, activation="linear"),
    centred,
    cells.sru,
    cells.ran,
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


def levels(sized):
    return linear_levels(sized.graph, tuple(sized.cell.states))


@pytest.mark.parametrize("make", LINEAR, ids=repr)
def test_linear_cell_is_recognised(make):
    assert levels(make(4))


@pytest.mark.parametrize("make", NOT_LINEAR, ids=repr)
def test_other_cell_is_not_taken_for_linear(make):
    assert not levels(make(4))


def test_states_of_a_level_depend_on_each_other():
    assert [level.states for level in levels(cascade(4))] == [("k",), ("c",), ("h",)]
    assert [level.states for level in levels(cells.lru(4))] == [("re", "im")]
    assert [level.states for level in levels(cells.qrnn(4))][-1] == ("c",)


@pytest.mark.parametrize("make", [*ONE_LEVEL, *NOT_LINEAR], ids=repr)
def test_new_states_are_factor_times_old_and_rest(make, rng):
    """What linear means: a unit's new state moves along with the old one of that unit,
    and twice as far where that moves twice as far."""
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
    one_unit = {s: a[s] * (np.arange(6) == 2) for s in states}
    others = np.delete(new(one_unit) - rest, [2 + 6 * k for k in range(len(states))], 1)
    linear = np.allclose(together, apart, atol=1e-12)
    assert (linear and np.allclose(others, 0, atol=1e-12)) == bool(levels(sized))


@pytest.mark.parametrize("mask", ["hold", "zero"])
def test_masks_and_dropout_of_the_input_keep_a_cell_linear(mask):
    request = Request(cells.min_gru(4), 3, mask=mask, dropout=("dropout",))
    assert linear_levels(*step_graph(request))


def test_kernels_know_whether_their_cell_is_linear():
    assert kernel_for(Request(leaky_integrator(4), 3)).linear
    assert not kernel_for(Request(cells.lstm(4), 3)).linear


@cell(state="c", output="h", gates=("f", "z", "o"))
def pooling(x, c_prev, W):
    """An output that is not linear in the state."""
    f = sigmoid(x @ W.f)
    c = f * c_prev + (1 - f) * tanh(x @ W.z)
    return sigmoid(x @ W.o) * tanh(c), c


def test_an_output_that_is_held_need_not_be_linear():
    """The states are, and no state reads what is held."""
    request = Request(pooling(4), 3, mask="hold")
    assert "held" in step_graph(request)[1]
    assert kernel_for(request).linear
