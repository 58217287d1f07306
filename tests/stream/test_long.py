"""Very long signals: rounding stays where it is, and silence costs nothing."""

import keras
import numpy as np
import pytest

import refrain
from refrain.export.c_code import interpreted
from refrain.keras import layers as ours
from refrain.network.compose import compose
from refrain.network.live import network_of
from tests.stream.test_stream import randomised

L = keras.layers


@pytest.mark.parametrize(
    ("kind", "steps"),
    [
        ("LSTM", 20_000),
        ("GRU", 20_000),
        pytest.param("LSTM", 1_000_000, marks=pytest.mark.slow),
    ],
)
def test_steps_drift_nowhere(kind, steps, rng):
    model = keras.Sequential([L.Input((None, 2)), getattr(ours, kind)(5), L.Dense(1)])
    task, variables = compose(network_of(randomised(model, rng)))
    x = rng.normal(size=(steps, 2)).astype("float32")
    error = np.abs(
        refrain.stream.open(model).run(x) - interpreted(task, variables, x)
    ).ravel()
    parts = error.reshape(10, -1).max(axis=1)
    assert parts.max() < 2e-6
    assert parts[-1] < 4 * parts[0]
