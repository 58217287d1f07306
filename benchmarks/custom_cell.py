"""A cell of one's own: ours from its equations, and the same cell written for Keras.

One training step through `fit` on JAX. Both models have the same weights and must
report the same losses; our own LSTM runs in the same rounds.

    python benchmarks/custom_cell.py
"""

from __future__ import annotations

import argparse
import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np
from harness import in_turn, machine, table
from keras import ops

from refrain import layers
from refrain.cells import cell, vector
from refrain.functions import layer_norm, sigmoid, tanh

BATCH, STEPS, WORDS, EMBEDDED, UNITS, CLASSES, BATCHES = 32, 200, 1000, 64, 128, 10, 5
GATES = ("i", "f", "g", "o")


@cell(state=("h", "c"), gates=GATES, p=vector(gates=("i", "f", "o")))
def peephole_lstm(x, h_prev, c_prev, W, U, b, p):
    """Gers, Schraudolph, Schmidhuber 2002, JMLR 3:115."""
    i = sigmoid(x @ W.i + h_prev @ U.i + p.i * c_prev + b.i)
    f = sigmoid(x @ W.f + h_prev @ U.f + p.f * c_prev + b.f)
    g = tanh(x @ W.g + h_prev @ U.g + b.g)
    c = f * c_prev + i * g
    o = sigmoid(x @ W.o + h_prev @ U.o + p.o * c + b.o)
    return o * tanh(c), c


@cell(
    state=("h", "c"),
    gates=GATES,
    s=vector(gates=GATES, initializer="ones"),
    r=vector(gates=GATES, initializer="ones"),
)
def layer_norm_lstm(x, h_prev, c_prev, W, U, b, s, r):
    """Ba, Kiros, Hinton 2016, 1607.06450, normalised gate by gate."""
    i = sigmoid(layer_norm(x @ W.i, s.i) + layer_norm(h_prev @ U.i, r.i) + b.i)
    f = sigmoid(layer_norm(x @ W.f, s.f) + layer_norm(h_prev @ U.f, r.f) + b.f)
    g = tanh(layer_norm(x @ W.g, s.g) + layer_norm(h_prev @ U.g, r.g) + b.g)
    o = sigmoid(layer_norm(x @ W.o, s.o) + layer_norm(h_prev @ U.o, r.o) + b.o)
    c = f * c_prev + i * g
    return o * tanh(c), c


class KerasCell(keras.layers.Layer):
    """What both cells share when they are written for Keras."""

    def __init__(self, units: int):
        super().__init__()
        self.units = units
        self.state_size = [units, units]

    def build(self, shape):
        four = 4 * self.units
        self.kernel = self.add_weight(shape=(shape[-1], four))
        self.recurrent_kernel = self.add_weight(shape=(self.units, four))
        self.bias = self.add_weight(shape=(four,))


class KerasPeephole(KerasCell):
    def build(self, shape):
        super().build(shape)
        self.peepholes = self.add_weight(shape=(3 * self.units,))

    def call(self, inputs, states):
        h, c = states
        z = inputs @ self.kernel + h @ self.recurrent_kernel + self.bias
        zi, zf, zg, zo = ops.split(z, 4, axis=-1)
        pi, pf, po = ops.split(self.peepholes, 3)
        c_new = ops.sigmoid(zf + pf * c) * c + ops.sigmoid(zi + pi * c) * ops.tanh(zg)
        h = ops.sigmoid(zo + po * c_new) * ops.tanh(c_new)
        return h, [h, c_new]


class KerasLayerNorm(KerasCell):
    def build(self, shape):
        super().build(shape)
        self.scale = self.add_weight(shape=(4 * self.units,))
        self.recurrent_scale = self.add_weight(shape=(4 * self.units,))

    def normalised(self, z, scale):
        z = ops.reshape(z, (-1, 4, self.units))
        centred = z - ops.mean(z, axis=-1, keepdims=True)
        deviation = ops.sqrt(ops.mean(centred * centred, -1, keepdims=True) + 1e-5)
        return ops.reshape(centred / deviation, (-1, 4 * self.units)) * scale

    def call(self, inputs, states):
        h, c = states
        z = self.normalised(inputs @ self.kernel, self.scale) + self.bias
        z = z + self.normalised(h @ self.recurrent_kernel, self.recurrent_scale)
        i, f, g, o = ops.split(z, 4, axis=-1)
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        h = ops.sigmoid(o) * ops.tanh(c)
        return h, [h, c]


CELLS = {
    "peephole LSTM": (peephole_lstm, KerasPeephole),
    "layer-norm LSTM": (layer_norm_lstm, KerasLayerNorm),
}


def model_of(namespace, recurrent) -> keras.Model:
    model = keras.Sequential(
        [
            namespace.Embedding(WORDS, EMBEDDED),
            recurrent,
            keras.layers.Dense(CLASSES),
        ]
    )
    model.build((None, STEPS))
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=w.shape, scale=0.05) for w in model.get_weights()]
    model.set_weights(weights)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    return model


def match(name: str, rounds: int) -> list[tuple]:
    ours, theirs = CELLS[name]
    rng = np.random.default_rng(1)
    x = rng.integers(0, WORDS, (BATCH * BATCHES, STEPS))
    y = rng.integers(0, CLASSES, len(x))

    def fit(model):
        return lambda: model.fit(
            x, y, batch_size=BATCH, epochs=1, shuffle=False, verbose=0
        ).history["loss"][0]

    runs = {
        "refrain": fit(model_of(layers, layers.RNN(ours(UNITS)))),
        "keras": fit(model_of(keras.layers, keras.layers.RNN(theirs(UNITS)))),
        "refrain LSTM": fit(model_of(layers, layers.LSTM(UNITS))),
    }
    losses = [[runs[who]() for _ in range(2)] for who in ("refrain", "keras")]
    if not np.allclose(*losses, rtol=2e-3):
        raise SystemExit(f"{name}: losses differ: {losses}")
    times = in_turn(runs, rounds)
    return [
        (
            name,
            *(f"{1e3 * seconds / BATCHES:.1f}" for seconds in times.values()),
            f"{times['keras'] / times['refrain']:.2f}",
            f"{times['refrain'] / times['refrain LSTM']:.2f}",
        )
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    rows = [row for name in CELLS for row in match(name, arguments.rounds)]
    print(machine())
    head = ("cell", "ours ms a step", "Keras ms", "our LSTM ms")
    print(table((*head, "times Keras", "against our LSTM"), rows))


if __name__ == "__main__":
    main()
