"""Every activation as compiled, and its gradient, equals the interpreter."""

import numpy as np
import pytest

from refrain import cells
from refrain.derive.through_time import gradient_through_time
from refrain.graph.evaluate import run
from refrain.graph.functions import ACTIVATIONS
from refrain.runtime.driver import Request
from tests.randoms import unpacked
from tests.runtime.reference import kernel_results

UNITS = 19


def activated(name, x, dtype, grad_y):
    """The activation of `x` and its doubles and halves, by kernel and interpreter.

    One step of a simple recurrent network: the powers of two in its kernel make
    exact products, and its recurrent kernel is zero.
    """
    sized = cells.simple_rnn(UNITS, activation=name)
    kernel = np.exp2(np.arange(UNITS) % 3 - 1)[None]
    variables = {"kernel": kernel, "recurrent_kernel": np.zeros((UNITS, UNITS))}
    variables["bias"] = np.zeros(UNITS)
    x, states = x[:, None, None].astype(dtype), {"h": np.zeros((len(x), UNITS))}
    last = {"h": np.zeros_like(grad_y)}
    request = Request(sized, 1, dtype, training=True, rows=2)
    found = kernel_results(request, x, states, variables, grad_y[:, None], last)

    def exact(dtype):
        numbers = {n: v.astype(dtype) for n, v in variables.items()}
        weights = unpacked(sized, 1, numbers)
        first = {"h": states["h"].astype(dtype)}
        y, _ = run(sized.graph, x.astype(dtype), first, weights)
        args = (sized.graph, x.astype(dtype), first, weights)
        grads = gradient_through_time(*args, grad_y[:, None].astype(dtype), last)
        return y, grads["grad_x"]

    return found, exact


def points(rng):
    """Numbers of all sizes, those where an activation changes its form included."""
    kinks = np.array([0.0, -0.0, *np.arange(-6, 6.5, 0.25), 20.0, -20.0, 40.0, -40.0])
    scales = [rng.uniform(-s, s, 60) for s in (1e-4, 1, 8, 40)]
    return np.concatenate([kinks, *scales])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_and_its_gradient_equal_the_interpreter(name, dtype, rng):
    x = points(rng).astype(dtype)
    grad_y = rng.uniform(0.5, 1, size=(len(x), UNITS)).astype(dtype)
    found, exact = activated(name, x, dtype, grad_y)
    y, grad_x = exact("float64")
    # x + sqrt(x * x + 4), say, is as exact as the larger of its terms.
    size = np.maximum(1, np.abs(x))[:, None, None]
    assert_close(found["y"], y, size)
    assert_close(found["grad_x"], grad_x, UNITS * size)


def assert_close(found, exact, size):
    error = np.abs(found - exact) / (np.abs(exact) + size)
    assert error.max() < 4 * np.finfo(found.dtype).eps


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_of_what_is_no_number_equals_the_interpreter(name, dtype):
    x = np.array([np.inf, -np.inf, np.nan, np.finfo(dtype).max, 1.0], dtype)
    found, exact = activated(name, x, dtype, np.zeros((len(x), UNITS), dtype))
    y, _ = exact(dtype)
    np.testing.assert_array_equal(np.isnan(found["y"]), np.isnan(y))
    limits = np.isinf(y)
    np.testing.assert_array_equal(np.isinf(found["y"]), limits)
    np.testing.assert_array_equal(found["y"][limits], y[limits])
