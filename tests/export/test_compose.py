"""A chain of layers is one step, and native code of it computes what Keras does."""

import keras
import numpy as np
import pytest

import refrain
from refrain.errors import ExportError
from refrain.export.c_code import interpreted
from refrain.graph.verify import verify
from refrain.keras import layers as ours
from refrain.network.compose import compose
from refrain.network.live import network_of
from tests.export.programs import built, c_program, printed
from tests.export.test_native import needs
from tests.layers.samples import mgu

L = keras.layers


def chain():
    return keras.Sequential(
        [
            L.Input((None, 5)),
            ours.LSTM(9, return_sequences=True),
            ours.RNN([mgu(6), mgu(4)], return_sequences=True),
            L.Dropout(0.5),
            L.TimeDistributed(L.Dense(7, activation="relu")),
            ours.GRU(5, return_sequences=True),
            L.Dense(3, activation="softmax"),
        ]
    )


@needs("gcc")
def test_c_computes_what_keras_predicts(tmp_path, rng):
    model = chain()
    for variable in model.weights:
        variable.assign(rng.uniform(-0.7, 0.7, variable.shape))
    refrain.export.native(model, tmp_path / "net.o")
    x = rng.normal(size=(1, 12, 5)).astype("float32")
    (tmp_path / "main.c").write_text(c_program(x[0]))
    built(tmp_path)
    expected = model.predict(x, verbose=0).ravel()
    np.testing.assert_allclose(printed(["./main"], tmp_path), expected, atol=1e-6)


def test_last_output_leaves_at_every_step(rng):
    model = keras.Sequential([L.Input((None, 4)), ours.GRU(6), L.Dense(2)])
    task, variables = compose(network_of(model))
    verify(task.graph)
    x = rng.normal(size=(1, 8, 4)).astype("float32")
    steps = interpreted(task, variables, x[0])
    for t in (1, 5, 8):
        expected = model.predict(x[:, :t], verbose=0)[0]
        np.testing.assert_allclose(steps[t - 1], expected, atol=1e-6)


def two_embeddings():
    x = L.Input((None,))
    return keras.Model(x, L.Add()([L.Embedding(5, 2)(x), L.Embedding(5, 2)(x)]))


REFUSED = {
    "words": (
        two_embeddings,
        "expected frames of numbers as input",
    ),
    "both": (
        lambda: keras.Sequential([L.Input((None, 3)), ours.Bidirectional(ours.GRU(2))]),
        "has no form as a step: it reads the sequence from its end",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_step_is_refused(name, tmp_path):
    make, message = REFUSED[name]
    with pytest.raises(ExportError, match=message):
        refrain.export.native(make(), tmp_path / "net.o")
    assert list(tmp_path.iterdir()) == []
