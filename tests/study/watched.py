"""A model with recurrent layers of all kinds, diagnosed on any backend."""

import json

import keras
import numpy as np

from refrain import layers
from refrain.study.diagnosis import diagnose
from refrain.study.recorder import FlowRecorder

TOKENS = np.array([[3, 1, 2, 4, 0, 0], [5, 2, 1, 3, 4, 1], [2, 2, 0, 0, 0, 0]])
TARGETS = np.array([[1.0], [-1.0], [0.5]])


def model():
    keras.utils.set_random_seed(1)
    made = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Embedding(6, 3, mask_zero=True),
            layers.Bidirectional(
                layers.LSTM(2, return_sequences=True, name="lstm"), name="both"
            ),
            layers.RNN(
                [keras.layers.GRUCell(3), keras.layers.SimpleRNNCell(2)], name="rnn"
            ),
            keras.layers.Dense(1),
        ]
    )
    rng = np.random.default_rng(2)
    made.set_weights([rng.normal(0, 0.5, w.shape) for w in made.get_weights()])
    return made


def records():
    found = diagnose(model(), TOKENS, TARGETS, "mse")
    return [each.record() for each in found]


def followed():
    """The epochs after which a callback looked, and the gradient that it then saw."""
    trained = model()
    trained.compile("sgd", "mse")
    recorder = FlowRecorder(TOKENS, TARGETS)
    trained.fit(
        TOKENS, TARGETS, epochs=1, batch_size=3, callbacks=[recorder], verbose=0
    )
    return [
        (epoch, found[-1].flow.loss["h"])
        for epoch, found in zip(recorder.epochs, recorder.history, strict=True)
    ]


if __name__ == "__main__":
    print(json.dumps([records(), followed()]))
