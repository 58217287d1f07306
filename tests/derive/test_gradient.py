"""The derived gradient is the derivative of what the interpreter computes."""

import numpy as np
import pytest

from refrain import cells
from refrain.cells import cell, vector
from refrain.derive.through_time import gradient_through_time
from refrain.graph import functions as fn
from refrain.graph.evaluate import run
from tests.randoms import random_states, random_weights, sized_cell, unpacked


@cell(state="h", gates=("a", "d"), p=vector())
def everything(x, h_prev, W, U, b, p, *, activation=fn.tanh):
    """A cell that uses every kind of primitive, to test their gradients together."""
    a = activation(x @ W.a + h_prev @ U.a + b.a)
    d = fn.layer_norm(x @ W.d + (a * h_prev) @ U.d + b.d, p)
    e = fn.sin(d) + fn.cos(a) * fn.erf(d) + fn.sqrt(1.0 + d * d) / (2.0 + a * a)
    f = fn.where(d > 0.1, fn.maximum(e, a), fn.minimum(e, 0.5 * d)) + fn.softmax(a)
    return 0.3 * f - fn.abs(d) * fn.log_softmax(d) * 0.1 + fn.mean(e) * fn.max(d)


CASES = [
    *(sized_cell(make, 4) for make in cells.ALL),
    cells.antisymmetric_rnn(4, gated=True),
    cells.lstm(3, activation="relu", recurrent_activation="hard_sigmoid"),
    cells.gru(5, reset_after=False),
    cells.gru(4, use_bias=False),
    everything(6),
    *(everything(4, activation=a) for a in fn.ACTIVATIONS),
]


@pytest.mark.parametrize("sized", CASES, ids=lambda s: f"{s.cell.name}-{s.options}")
def test_gradient_matches_directional_difference(sized, rng):
    batch, steps, features = 3, 4, 2
    point = {
        "x": rng.normal(size=(batch, steps, features)),
        "states": random_states(sized, batch, rng),
        "weights": unpacked(sized, features, random_weights(sized, features, rng)),
    }
    graph = sized.graph
    outputs, history = run(graph, *point.values())
    grad_outputs = rng.normal(size=outputs.shape)
    grad_states = {s: rng.normal(size=h[:, -1].shape) for s, h in history.items()}
    exact = gradient_through_time(graph, *point.values(), grad_outputs, grad_states)

    def loss(shift, along):
        x = point["x"] + shift * along["x"]
        states = {s: v + shift * along[f"{s}_prev"] for s, v in point["states"].items()}
        weights = {n: v + shift * along[n] for n, v in point["weights"].items()}
        outputs, history = run(graph, x, states, weights)
        last = sum((grad_states[s] * history[s][:, -1]).sum() for s in grad_states)
        return (grad_outputs * outputs).sum() + last

    along = {
        n.removeprefix("grad_"): rng.normal(size=g.shape) for n, g in exact.items()
    }
    slope = sum((exact[f"grad_{n}"] * d).sum() for n, d in along.items())
    eps = 1e-6
    numeric = (loss(eps, along) - loss(-eps, along)) / (2 * eps)
    assert slope == pytest.approx(numeric, rel=2e-6, abs=1e-7)


def test_every_leaf_has_a_gradient(rng):
    sized = cells.lstm(3)
    x = rng.normal(size=(2, 3, 4))
    weights = unpacked(sized, 4, random_weights(sized, 4, rng))
    states = random_states(sized, 2, rng)
    found = gradient_through_time(
        sized.graph, x, states, weights, np.ones((2, 3, 3)), states
    )
    assert set(found) == {f"grad_{name}" for name in sized.graph.leaves}
    assert all(np.any(value != 0) for value in found.values())
