"""What comes out of a bridge is what the interpreter says, and so are the gradients.

`test_backends.py` runs this file once more for every other array library.
"""

from dataclasses import replace

import numpy as np
import pytest

from refrain import cells
from refrain.cells import cell, matrix, scalar
from refrain.functions import sigmoid, softmax, tanh
from refrain.runtime.driver import Request
from tests.bridge import library
from tests.bridge.reference import random_point, results


@cell(state="s", output="y", a=scalar(initializer="ones"), d=scalar())
def leaky(x, s_prev, W, U, b, a, d):
    """Trained scalars, a softmax, and an output that is no state."""
    s = sigmoid(a) * s_prev + (1 - sigmoid(a)) * softmax(x @ W + s_prev @ U + b)
    return d * tanh(s) + s, s


@cell(
    state={"s": "half", "t": "units"},
    output="y",
    W=matrix("features", "half"),
    V=matrix("half", "units"),
)
def narrow(x, s_prev, t_prev, W, V):
    """States of two sizes, and an output that is none of them."""
    s = tanh(x @ W + 0.5 * s_prev)
    t = 0.7 * t_prev * t_prev + s @ V
    return tanh(t) - 0.2 * t_prev, s, t


LSTM, GRU = cells.lstm(6), cells.gru(5)
BY_GATE = ("dropout.f", "dropout.g", "recurrent_dropout.f", "recurrent_dropout.o")
TRAINED = {"resets": True, "trained_start": True}
CASES = {
    "rnn": Request(cells.simple_rnn(3), 4),
    "lstm": Request(LSTM, 4),
    "gru": Request(GRU, 1),
    "gru reset before": Request(cells.gru(5, reset_after=False), 4),
    "no bias": Request(cells.lstm(6, use_bias=False), 4),
    "scalars": Request(leaky(5), 3),
    "last output": Request(LSTM, 4, sequence=False),
    "last output of scalars": Request(leaky(5), 3, sequence=False),
    "against time": Request(LSTM, 4, against_time=True),
    "hold": Request(GRU, 4, mask="hold"),
    "zero": Request(LSTM, 4, mask="zero"),
    "hold the last output": Request(LSTM, 4, sequence=False, mask="hold"),
    "dropout": Request(GRU, 4, dropout=("dropout", "recurrent_dropout")),
    "zoneout": Request(LSTM, 4, zoneout=(("h", None), ("c", None))),
    "zoneout expected": Request(LSTM, 4, zoneout=(("h", 0.1), ("c", 0.4))),
    "zoneout masked": Request(leaky(5), 3, mask="hold", zoneout=(("s", None),)),
    "resets": Request(LSTM, 4, resets=True),
    "resets of a held output": Request(leaky(5), 3, mask="hold", resets=True),
    "resets to trained states": Request(LSTM, 4, **TRAINED, mask="hold"),
    "resets of the last output": Request(leaky(5), 3, sequence=False, **TRAINED),
    "every state": Request(LSTM, 4, every_state=True),
    "every state of others": Request(
        narrow(5, half=3), 4, every_state=True, against_time=True, **TRAINED
    ),
    "every state masked": Request(
        GRU, 4, mask="zero", every_state=True, sequence=False
    ),
    "lookup": Request(LSTM, 7, lookup=True),
    "lookup masked": Request(leaky(5), 2, lookup=True, mask="hold", resets=True),
    "lookup and all": Request(
        LSTM,
        4,
        lookup=True,
        against_time=True,
        mask="zero",
        dropout=("recurrent_dropout.f", "recurrent_dropout.o"),
        zoneout=(("h", None), ("c", 0.3)),
        every_state=True,
        **TRAINED,
    ),
    "all": Request(
        LSTM,
        4,
        against_time=True,
        mask="hold",
        dropout=BY_GATE,
        zoneout=(("h", None), ("c", 0.3)),
        every_state=True,
        **TRAINED,
    ),
}
IN_FLOAT32 = ("rnn", "gru", "scalars", "lookup", "all")


@pytest.fixture(autouse=True)
def _float64():
    if library.NAME != "jax":
        yield
        return
    import jax

    with jax.enable_x64(True):
        yield


def assert_equal(found, expected, error):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        close = error * max(1.0, np.abs(value).max(initial=0.0))
        np.testing.assert_allclose(
            found[name], value, rtol=0, atol=close, err_msg=name, strict=False
        )


def assert_equals_the_interpreter(point):
    error = {"float32": 2e-6, "float64": 1e-12}[point.request.dtype]
    found, grads = library.called(point)
    expected, derived = results(point)
    assert_equal(found, expected, error)
    assert {str(a.dtype) for a in found.values()} == {point.request.dtype}
    if grads is None:  # NumPy differentiates nothing
        return
    for variable in point.request.sized.variables(point.request.features):
        grads |= variable.unpack(grads.pop(variable.name))
    grads = {n: g for n, g in grads.items() if n not in point.inputs or n == "x"}
    assert_equal(grads, derived, 10 * error)


@pytest.mark.parametrize("name", CASES)
def test_bridge_equals_the_interpreter(name, rng):
    request = replace(CASES[name], dtype="float64")
    assert_equals_the_interpreter(random_point(request, rng))


@pytest.mark.parametrize("name", IN_FLOAT32)
def test_bridge_equals_the_interpreter_in_float32(name, rng):
    assert_equals_the_interpreter(random_point(CASES[name], rng))


@pytest.mark.parametrize(("batch", "timesteps"), [(1, 1), (7, 0), (0, 4), (33, 2)])
def test_any_number_of_samples_and_steps_is_served(batch, timesteps, rng):
    request = Request(GRU, 4, "float64", sequence=False)
    assert_equals_the_interpreter(random_point(request, rng, batch, timesteps))
