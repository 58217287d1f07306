"""A model trains as with Keras's layers: the same losses, step by step.

`test_backends.py` runs this file once more on other backends.
"""

import keras
import numpy as np
import pytest
from keras import models

from refrain import layers
from tests.layers.contract import copy_weights

WORDS, STEPS, CLASSES = 30, 9, 4


def sentences(rng):
    """Sentences of different lengths, padded with 0, and a class for each."""
    words = rng.integers(1, WORDS, size=(32, STEPS))
    words[np.arange(STEPS) >= rng.integers(1, STEPS + 1, size=(32, 1))] = 0
    return words, words.max(axis=1) % CLASSES


def classifier(of):
    return [
        keras.layers.Embedding(WORDS, 6, mask_zero=True),
        of.Bidirectional(of.LSTM(5)),
        keras.layers.Dense(CLASSES, activation="softmax"),
    ]


def test_losses_equal_keras(rng):
    words, classes = sentences(rng)
    built = [models.Sequential(classifier(of)) for of in (layers, keras.layers)]
    for model in built:
        model.build((None, STEPS))
    copy_weights(*built)
    histories = []
    for model in built:
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        found = model.fit(words, classes, 16, epochs=3, shuffle=False, verbose=0)
        histories.append(found.history)
    ours, theirs = histories
    np.testing.assert_allclose(ours["loss"], theirs["loss"], rtol=1e-5)
    np.testing.assert_allclose(ours["accuracy"], theirs["accuracy"], rtol=1e-6)
    assert ours["loss"][-1] < ours["loss"][0]


@pytest.mark.usefixtures("path")
def test_batches_of_any_size_and_length_pass_through_one_model(rng):
    inputs = keras.Input((None, 3))
    model = models.Model(inputs, layers.GRU(4)(inputs))
    for batch, steps in ((1, 1), (5, 2), (2, 7)):
        assert model.predict(rng.normal(size=(batch, steps, 3)), verbose=0).shape == (
            batch,
            4,
        )
