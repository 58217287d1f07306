"""How far back a network learns, against its gradient by hand."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from refrain import layers
from refrain.compare.memory import memory_of

# Keras's own, when it reads a variable on JAX with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")


def built(layer):
    inputs = keras.Input((7, 3))
    return keras.Model(inputs, keras.layers.Dense(2)(layer(inputs)))


@pytest.mark.parametrize("both", [False, True], ids=["one way", "both ways"])
def test_the_gradient_that_comes_back_is_that_of_the_network(both, rng):
    layer = layers.SimpleRNN(4)
    model = built(layers.Bidirectional(layer) if both else layer)
    x = rng.normal(size=(1, 7, 3)).astype("float32")
    targets = rng.normal(size=(1, 2))
    contest = SimpleNamespace(held_out=(x, targets), keras_loss=lambda: "mse")
    found = memory_of(contest, model)
    assert found.steps == 7
    assert (len(found.influence), len(found.gradient)) == (8, 7)
    assert found.influence[0] == found.gradient[0] == 1.0
    forward = model.layers[1].forward_layer if both else layer
    kernel, recurrent, bias = forward.get_weights()
    h = [np.zeros(4)]
    for t in range(7):
        h.append(np.tanh(x[0, t] @ kernel + h[-1] @ recurrent + bias))
    answers = keras.ops.convert_to_numpy(model(x))
    grad = ((answers - targets) @ model.layers[-1].get_weights()[0].T)[0, :4]
    norms = []
    for state in reversed(h[1:]):
        grad = (grad * (1 - state**2)) @ recurrent.T
        norms.append(np.linalg.norm(grad))
    np.testing.assert_allclose(found.gradient, np.array(norms) / norms[0], rtol=1e-4)


def test_gates_are_values_of_named_sigmoids_and_else_of_states(rng):
    x = rng.normal(size=(2, 7, 3)).astype("float32")
    contest = SimpleNamespace(held_out=(x, np.zeros((2, 2))), keras_loss=lambda: "mae")
    gates = memory_of(contest, built(layers.LSTM(5))).gates
    assert list(gates) == ["i", "f", "o"]
    for values in gates.values():
        assert np.shape(values) == (7, 5)
        assert 0 < np.min(values) < np.max(values) < 1
    states = memory_of(contest, built(layers.SimpleRNN(5))).gates
    assert list(states) == ["h"]
    assert np.min(states["h"]) < 0
