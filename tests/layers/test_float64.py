"""In float64 every path equals the interpreter, and its gradient the derived one.

`test_backends.py` runs this file once more on other backends.
"""

import keras
import numpy as np
import pytest

from refrain import cells, layers
from refrain.derive.through_time import gradient_through_time
from refrain.graph.evaluate import run
from tests.layers.contract import array
from tests.layers.samples import two_faced
from tests.randoms import random_states, random_weights, sized_cell, unpacked

BATCH, STEPS, FEATURES = 3, 7, 4
CELLS = [
    *(sized_cell(make, 5) for make in cells.ALL),
    cells.antisymmetric_rnn(3, gated=True),
    cells.sru(3, peephole=False),
    cells.lstm(3, activation="gelu", recurrent_activation="hard_sigmoid"),
    cells.gru(5, reset_after=False, use_bias=False),
    two_faced(2),
]


@pytest.fixture(autouse=True)
def _float64():
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    with jax.enable_x64(True):
        yield


def close(found, expected, name):
    size = np.abs(expected).max()
    assert found.dtype == np.float64, name
    np.testing.assert_allclose(
        found, expected, rtol=1e-9, atol=1e-9 * size, err_msg=name
    )


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("sized", CELLS, ids=lambda s: f"{s.cell.name}-{s.options}")
def test_layer_equals_the_interpreter(sized, rng):
    x = rng.normal(size=(BATCH, STEPS, FEATURES))
    variables = random_weights(sized, FEATURES, rng)
    states = random_states(sized, BATCH, rng)
    weights = unpacked(sized, FEATURES, variables)
    outputs, history = run(sized.graph, x, states, weights)
    last = {name: past[:, -1] for name, past in history.items()}
    arriving = [rng.normal(size=a.shape) for a in (outputs, *last.values())]

    found, grads = called(sized, x, states, variables, arriving)
    for value, expected in zip(found, [outputs, *last.values()], strict=True):
        close(value, expected, "output and last states")

    to_states = dict(zip(last, arriving[1:], strict=True))
    derived = gradient_through_time(
        sized.graph, x, states, weights, arriving[0], to_states
    )
    entering = ["x", *(f"{name}_prev" for name in states), *variables]
    found = dict(zip(entering, grads, strict=True))
    packed = {name: found.pop(name) for name in variables}
    for name, gradient in found.items():
        close(gradient, derived[f"grad_{name}"], name)
    for name, gradient in unpacked(sized, FEATURES, packed).items():
        close(gradient, derived[f"grad_{name}"], name)


def called(sized, x, states, variables, arriving):
    """What the layer returns, and gradients for input, states and variables."""
    cell = layers.CellLayer(sized, dtype="float64")
    layer = layers.RNN(cell, return_sequences=True, return_state=True, dtype="float64")
    layer.build(x.shape)
    point = x, list(states.values()), list(variables.values())
    slopes = {"jax": _on_jax, "torch": _on_torch}[keras.backend.backend()]
    found, grads = slopes(layer, *point, arriving)
    return [array(f) for f in found], [array(g) for g in grads]


def _on_jax(layer, x, states, variables, arriving):
    import jax

    frozen = [v.value for v in layer.non_trainable_variables]

    def results(x, states, weights):
        return layer.stateless_call(weights, frozen, x, initial_state=states)[0]

    found, back = jax.vjp(results, x, states, variables)
    return found, jax.tree.leaves(back(tuple(map(jax.numpy.asarray, arriving))))


def _on_torch(layer, x, states, variables, arriving):
    import torch

    layer.set_weights(variables)
    x, *states = (torch.tensor(a, requires_grad=True) for a in (x, *states))
    found = layer(x, initial_state=states)
    entering = [x, *states, *(w.value for w in layer.weights)]
    return found, torch.autograd.grad(
        found, entering, list(map(torch.tensor, arriving))
    )
