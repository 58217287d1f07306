"""The reference examples, as a user of Keras writes them, with one import changed."""

import numpy as np
import pytest

import refrain
from refrain.functions import sigmoid, tanh
from refrain.keras import layers, models, optimizers, utils

# Keras takes `input_shape=` and advises against it.
ADVICE = "Do not pass an `input_shape`"


@pytest.fixture(autouse=True)
def _seed():
    utils.set_random_seed(0)


def falls(history):
    """Whether training got anywhere, on both parts of the data."""
    loss, held_out = history.history["loss"], history.history["val_loss"]
    return loss[-1] < 0.7 * loss[0] and held_out[-1] < held_out[0]


def waves(rng, count=96, steps=10):
    """Windows of sine waves, and the value that comes next in each."""
    start = rng.uniform(0, 6, size=(count, 1))
    series = np.sin(start + 0.5 * np.arange(steps + 1))[..., None]
    return series[:, :-1], series[:, -1]


def sentences(rng, count=128, steps=12):
    """Sentences of words that go with one of ten classes, and that class."""
    label = rng.integers(10, size=count)
    words = 10 * rng.integers(100, size=(count, steps)) + label[:, None]
    return words, utils.to_categorical(label, 10)


def test_embedding_lstm_dense_has_164106_parameters(capsys):
    model = models.Sequential()
    model.add(layers.Embedding(input_dim=1000, output_dim=64))
    model.add(layers.LSTM(128))
    model.add(layers.Dense(10))
    model.build((None, None))
    model.summary()
    printed = capsys.readouterr().out
    for count in ("64,000", "98,816", "1,290", "164,106"):
        assert count in printed
    assert model.count_params() == 164_106
    assert model.predict(np.ones((2, 5), int), verbose=0).shape == (2, 10)


def test_classifier_learns_with_validation_data(rng):
    x, y = sentences(rng)
    model = models.Sequential(
        [
            layers.Embedding(1000, 64),
            layers.LSTM(128),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"]
    )
    history = model.fit(
        x[:96], y[:96], validation_data=(x[96:], y[96:]), epochs=20, verbose=0
    )
    assert falls(history)
    assert history.history["accuracy"][-1] > 0.7
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}


@pytest.mark.parametrize(
    ("make", "parameters"),
    [(layers.SimpleRNN, 50 + 2500 + 50 + 51), (layers.LSTM, 4 * 2600 + 51)],
)
def test_forecaster_of_one_feature_learns(make, parameters, rng):
    x, y = waves(rng)
    model = models.Sequential()
    with pytest.warns(UserWarning, match=ADVICE):
        model.add(make(50, activation="relu", input_shape=(10, 1)))
    model.add(layers.Dense(1))
    assert model.count_params() == parameters
    model.compile(optimizer="adam", loss="mse")
    history = model.fit(
        x, y, validation_split=0.25, batch_size=24, epochs=30, verbose=0
    )
    assert falls(history)
    assert model.predict(x[:3], verbose=0).shape == (3, 1)


def test_bidirectional_lstm_learns(rng):
    x, y = waves(rng)
    with pytest.warns(UserWarning, match=ADVICE):
        both = layers.Bidirectional(
            layers.LSTM(50, activation="relu"), input_shape=(10, 1)
        )
    model = models.Sequential([both, layers.Dense(1)])
    assert model.count_params() == 2 * 4 * 2600 + 101
    model.compile(optimizer="adam", loss="mse")
    assert falls(
        model.fit(x, y, validation_split=0.25, batch_size=24, epochs=30, verbose=0)
    )


def test_many_to_many_model_tags_every_step(rng):
    x = rng.normal(size=(96, 8, 1))
    y = np.cumsum(x, axis=1) > 0  # what a step needs to know lies before it
    with pytest.warns(UserWarning, match=ADVICE):
        first = layers.LSTM(16, return_sequences=True, input_shape=(None, 1))
    model = models.Sequential([first, layers.Dense(1, activation="sigmoid")])
    model.compile(optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(
        x, y, validation_split=0.25, batch_size=24, epochs=20, verbose=0
    )
    assert falls(history)
    assert history.history["val_accuracy"][-1] > 0.8
    assert model.predict(x[:2, :5], verbose=0).shape == (2, 5, 1)


@refrain.cell(state="h", gates=("f", "n"))
def minimal_gated_unit(x, h_prev, W, U, b):
    """Zhou et al. 2016, 1603.09420."""
    f = sigmoid(x @ W.f + h_prev @ U.f + b.f)
    n = tanh(x @ W.n + (f * h_prev) @ U.n + b.n)
    return (1 - f) * h_prev + f * n


def test_a_cell_of_ones_own_learns(rng):
    x, y = waves(rng)
    model = models.Sequential(
        [
            layers.Input((10, 1)),
            layers.RNN(minimal_gated_unit(50)),
            layers.Dense(1),
        ]
    )
    assert model.count_params() == 2 * 2600 + 51
    model.compile(optimizer="adam", loss="mse")
    assert falls(
        model.fit(x, y, validation_split=0.25, batch_size=24, epochs=30, verbose=0)
    )
