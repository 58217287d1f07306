import keras
import numpy as np
import pytest

from refrain import layers
from refrain.errors import DataError
from refrain.study.diagnosis import diagnose
from refrain.study.recorder import FlowRecorder

# Keras's own, when it reads a variable on JAX with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")


def test_a_callback_follows_the_horizon_while_a_model_trains():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((20, 1)), layers.GRU(2, name="gru")])
    model.compile("sgd", "mse")
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(8, 20, 1)), rng.normal(size=(8, 2))
    fresh = diagnose(model, x, y)
    recorder = FlowRecorder(x, y, every=2)
    logs = model.fit(x, y, epochs=4, callbacks=[recorder], verbose=0).history
    assert recorder.epochs == [0, 2, 4]
    assert recorder.history[0] == fresh
    assert recorder.history[-1] == diagnose(model, x, y) != fresh
    flow = recorder.history[1][0].flow
    assert logs["gru_horizon"][0] == (flow.horizon or flow.steps)


def test_a_callback_needs_an_interval():
    with pytest.raises(DataError, match="every: expected at least 1, received 0"):
        FlowRecorder(np.ones((1, 2, 1)), every=0)
