"""Models with our layers are saved, loaded, cloned, and swap weights with Keras's.

`test_backends.py` runs this file once more on other backends.
"""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import models

from refrain import cells, layers
from refrain.cells import cell
from refrain.functions import sigmoid, tanh
from tests.layers.contract import array, copy_weights, real
from tests.layers.samples import mgu, two_faced
from tests.randoms import sized_cell

# Keras's own way from a variable to NumPy, which saving goes.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")

STEPS, FEATURES = 5, 3
LAYERS = {
    "rnn": lambda of: of.SimpleRNN(4, activation="relu"),
    "lstm": lambda of: of.LSTM(4, dropout=0.2, recurrent_dropout=0.1, seed=3),
    "gru": lambda of: of.GRU(4, reset_after=False, go_backwards=True),
    "stack": lambda of: of.RNN([of.GRUCell(3), of.SimpleRNNCell(4)]),
    "both ways": lambda of: of.Bidirectional(of.LSTM(4), merge_mode="sum"),
    "two kinds": lambda of: of.Bidirectional(
        of.GRU(4), backward_layer=of.SimpleRNN(4, go_backwards=True)
    ),
}
OF_EQUATIONS = {
    "own cell": lambda of: of.RNN(mgu(4, activation="softsign")),
    "own cell, dropped": lambda of: of.RNN(
        of.CellLayer(two_faced(4), dropout=0.1, recurrent_dropout=0.2, seed=1)
    ),
    "own cells, stacked": lambda of: of.RNN([mgu(3), of.LSTMCell(4), two_faced(2)]),
    "own cell both ways": lambda of: of.Bidirectional(of.RNN(mgu(4))),
}
ZOO = {
    make.name: lambda of, make=make: of.RNN(sized_cell(make, 4)) for make in cells.ALL
}
OURS = LAYERS | OF_EQUATIONS | ZOO


def model_of(make, of=layers):
    return models.Sequential([keras.Input((STEPS, FEATURES)), make(of)])


def text(layer):
    """A layer's configuration; a file knows no tuples."""
    return json.dumps(layer.get_config(), indent=1)


def predicted(model):
    x = real(np.random.default_rng(0), 3, STEPS, FEATURES)
    return array(model(x))


@pytest.mark.parametrize("name", OURS)
def test_saved_model_loads_again(name, tmp_path):
    model = model_of(OURS[name])
    model.save(tmp_path / "model.keras")
    loaded = models.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[0]) is type(model.layers[0])
    assert text(loaded.layers[0]) == text(model.layers[0])
    np.testing.assert_array_equal(predicted(loaded), predicted(model))


@pytest.mark.parametrize("name", ["stack", "two kinds", *OF_EQUATIONS])
def test_clone_computes_the_same_with_the_same_weights(name):
    model = model_of(OURS[name])
    clone = models.clone_model(model)
    assert type(clone.layers[0]) is type(model.layers[0])
    copy_weights(model, clone)
    np.testing.assert_array_equal(predicted(clone), predicted(model))


@pytest.mark.parametrize("name", LAYERS)
def test_weights_files_serve_keras_and_us(name, tmp_path):
    ours, theirs = model_of(LAYERS[name]), model_of(LAYERS[name], keras.layers)
    assert [(w.name, w.shape) for w in ours.weights] == [
        (w.name, w.shape) for w in theirs.weights
    ]
    ours.save_weights(tmp_path / "ours.weights.h5")
    theirs.load_weights(tmp_path / "ours.weights.h5")
    np.testing.assert_allclose(predicted(theirs), predicted(ours), atol=1e-6)
    for weight in theirs.trainable_weights:
        weight.assign(array(weight.value) * 0.5 + 0.1)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")
    np.testing.assert_allclose(predicted(ours), predicted(theirs), atol=1e-6)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_configuration_is_the_one_of_keras(name):
    ours, theirs = LAYERS[name](layers), LAYERS[name](keras.layers)
    config = theirs.get_config()
    assert ours.get_config() == {**config, "name": ours.name}
    assert type(ours).from_config(dict(config)).get_config() == config


@pytest.mark.parametrize(
    "make", [layers.SimpleRNNCell, layers.LSTMCell, layers.GRUCell]
)
def test_cells_come_back_from_their_configuration(make):
    config = make(3, dropout=0.1, seed=2).get_config()
    assert make.from_config(dict(config)).get_config() == config


def test_the_saved_equations_count_where_others_have_the_name(tmp_path):
    model = model_of(OURS["own cell"])
    model.save(tmp_path / "model.keras")

    @cell(state="h", gates=("f", "n"))
    def mgu(x, h_prev, W, U, b, *, activation=tanh):
        f = sigmoid(x @ W.f + h_prev @ U.f + b.f)
        n = activation(x @ W.n + (f * h_prev) @ U.n + b.n)
        return f * h_prev + (1 - f) * n

    loaded = models.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].cell.sized.cell is not mgu
    np.testing.assert_array_equal(predicted(loaded), predicted(model))


def test_a_cell_that_is_defined_alike_is_the_one_that_loads():
    config = json.loads(json.dumps(layers.CellLayer(mgu(3)).get_config()))
    assert layers.CellLayer.from_config(config).sized.cell is mgu


ELSEWHERE = """
import sys
import keras, numpy as np
import refrain.layers
from refrain.cells.define import DEFINED

assert not {"two_faced", "own"} & set(DEFINED)
model = keras.models.load_model(sys.argv[1] + "/model.keras")
x = np.load(sys.argv[1] + "/x.npy")
np.save(sys.argv[1] + "/y.npy", model.predict(x, verbose=0))
model.fit(x, np.ones((len(x), model.output_shape[-1])), verbose=0, shuffle=False)
model.save(sys.argv[1] + "/trained.keras")
"""


def test_a_cell_loads_and_trains_on_in_a_process_that_never_saw_its_source(tmp_path):
    @cell(state="h", gates=("f", "n"))
    def own(x, h_prev, W, U, b, *, activation=bent):
        f = sigmoid(x @ W.f + h_prev @ U.f + b.f)
        return f * h_prev + (1 - f) * activation(x @ W.n + (f * h_prev) @ U.n + b.n)

    model = model_of(lambda of: of.RNN([own(4), two_faced(3)]))
    model.compile("sgd", "mse")
    model.save(tmp_path / "model.keras")
    x = real(np.random.default_rng(1), 6, STEPS, FEATURES)
    np.save(tmp_path / "x.npy", x)
    subprocess.run([sys.executable, "-c", ELSEWHERE, str(tmp_path)], check=True)
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, atol=1e-6)
    model.fit(x, np.ones((6, 3)), verbose=0, shuffle=False)
    trained = models.load_model(tmp_path / "trained.keras")
    for ours, theirs in zip(model.weights, trained.weights, strict=True):
        np.testing.assert_allclose(array(theirs), array(ours), atol=1e-5)


def bent(v):
    """An activation of the user's own."""
    return v * sigmoid(1.7 * v)


def test_an_activation_of_ones_own_is_saved_as_its_equations(tmp_path):
    model = model_of(lambda of: of.RNN(mgu(4, activation=bent)))
    model.save(tmp_path / "model.keras")
    loaded = models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(predicted(loaded), predicted(model))
