"""Activations have Keras's names, Keras's values, and the gradients that JAX finds."""

import jax
import keras
import numpy as np
import pytest

from refrain.cells import cell
from refrain.derive.reverse import reverse
from refrain.errors import CellError
from refrain.functions import tanh
from refrain.graph.evaluate import evaluate
from refrain.graph.functions import ACTIVATIONS

ORDINARY = np.linspace(-8.3, 8.7, 37)
LARGE = np.array([-700.0, -90.0, -20.0, 20.0, 90.0, 700.0])
# Zeros of both signs, every threshold of an activation, and infinities.
EDGES = np.array([0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 3.0, -3.0, 6.0, -6.0, 1e-300])
BEYOND = np.array([np.inf, -np.inf, 1e30, -1e30])
POINTWISE = sorted(set(ACTIVATIONS) - {"softmax", "log_softmax"})


@cell(state="h")
def applied(x, h_prev, *, activation=tanh):  # noqa: ARG001
    """Nothing but an activation."""
    return activation(1.0 * h_prev)


@pytest.fixture(autouse=True)
def _float64():
    if keras.backend.backend() != "jax":
        pytest.skip("the reference gradients are JAX's")
    with jax.enable_x64(True):
        yield


def ours(name, values):
    graph = applied(len(values), activation=name).graph
    return evaluate(graph, {"h_prev": values[None]})["h"][0]


def keras_function(name):
    # In float64 Keras's own tanh drops to float32 on JAX; jax.nn's does not.
    plain = {"tanh": jax.nn.tanh, "mish": jax.nn.mish}
    return plain.get(name) or keras.activations.get(name)


def theirs(name, values):
    return np.asarray(keras_function(name)(jax.numpy.asarray(values)[None]))[0]


@pytest.mark.parametrize(
    "values", [ORDINARY, LARGE, EDGES], ids=["usual", "large", "edge"]
)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_equal_keras(name, values):
    np.testing.assert_allclose(
        ours(name, values), theirs(name, values), rtol=1e-13, atol=1e-15
    )


@pytest.mark.parametrize("value", BEYOND, ids=str)
@pytest.mark.parametrize("name", POINTWISE)
def test_infinities_equal_keras(name, value):
    values = np.array([value])
    np.testing.assert_allclose(ours(name, values), theirs(name, values), rtol=1e-12)


# hard_shrink's formula chooses 0 for whatever is not beyond its threshold.
@pytest.mark.parametrize("name", sorted(set(POINTWISE) - {"hard_shrink"}))
def test_nan_stays_nan(name):
    assert np.isnan(ours(name, np.array([np.nan]))).all()


@pytest.mark.parametrize("values", [ORDINARY, LARGE], ids=["usual", "large"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gradients_equal_jax(name, values, rng):
    arriving = rng.normal(size=len(values))
    graph = reverse(applied(len(values), activation=name).graph)
    given = {"h_prev": values[None], "grad_h": arriving[None]}
    given["grad_output"] = np.zeros((1, len(values)))
    found = evaluate(graph, given)["grad_h_prev"][0]
    expected = jax.grad(lambda v: (keras_function(name)(v[None])[0] * arriving).sum())(
        jax.numpy.asarray(values)
    )
    np.testing.assert_allclose(found, np.asarray(expected), rtol=1e-11, atol=1e-13)


def test_relu_is_flat_at_zero():
    graph = reverse(applied(1, activation="relu").graph)
    zero, one = np.zeros((1, 1)), np.ones((1, 1))
    found = evaluate(graph, {"h_prev": zero, "grad_h": one, "grad_output": zero})
    assert found["grad_h_prev"].item() == 0.0


def test_every_activation_of_keras_with_a_fixed_formula_is_known():
    missing = {
        name
        for name in dir(keras.activations)
        if callable(getattr(keras.activations, name)) and name not in ACTIVATIONS
    }
    # glu halves its vector, threshold has no default, sparsemax needs a sort.
    utilities = {"deserialize", "get", "serialize"}
    assert missing - utilities <= {"glu", "threshold", "sparsemax"}


def test_unknown_activation_lists_the_known_ones():
    with pytest.raises(CellError, match=r"unknown activation 'tanhh'.*sigmoid, silu"):
        applied(3, activation="tanhh")


def test_none_is_linear():
    assert applied(3, activation=None).graph is applied(3, activation="linear").graph
