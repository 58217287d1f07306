"""A training step behind an embedding: words looked up, and products at every step.

Both networks are ours; one has our Embedding, the other Keras's, which tells no words.
Their losses must be equal before anything is timed.

    KERAS_BACKEND=jax python benchmarks/words.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import keras
import numpy as np
from harness import in_turn, machine, table

from refrain import layers

BATCH, STEPS, BATCHES, CLASSES = 32, 200, 10, 10
SIZES = (  # words, features, units; 3,200 words are half of the steps of a batch
    (100, 64, 128),
    (1000, 64, 128),
    (1600, 64, 128),
    (3200, 64, 128),
    (3200, 16, 128),
    (3200, 300, 128),
    (3200, 128, 32),
    (1000, 64, 512),
    (3200, 64, 512),
)


def fit_of(namespace, words: int, features: int, units: int) -> Callable[[], float]:
    """One epoch of a network with random weights; gives its loss."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, words, (BATCH * BATCHES, STEPS))
    y = rng.integers(0, CLASSES, len(x))
    model = keras.Sequential(
        [
            namespace.Embedding(words, features),
            layers.LSTM(units),
            keras.layers.Dense(CLASSES),
        ]
    )
    model.build((None, STEPS))
    weights = [rng.normal(size=w.shape, scale=0.05) for w in model.get_weights()]
    model.set_weights(weights)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    options = {"batch_size": BATCH, "shuffle": False, "verbose": 0}
    return lambda: model.fit(x, y, **options).history["loss"][0]


def match(words: int, features: int, units: int, rounds: int) -> tuple:
    runs = {
        "rows": fit_of(layers, words, features, units),
        "products": fit_of(keras.layers, words, features, units),
    }
    losses = [[run() for _ in range(2)] for run in runs.values()]
    if not np.allclose(*losses, rtol=1e-4):
        raise SystemExit(f"{words} words: losses differ: {losses}")
    ms = {name: 1e3 * s / BATCHES for name, s in in_turn(runs, rounds).items()}
    ratio = ms["products"] / ms["rows"]
    return words, features, units, *(f"{t:.1f}" for t in ms.values()), f"{ratio:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    rows = [match(*sizes, arguments.rounds) for sizes in SIZES]
    print(machine())
    head = ("words", "features", "units", "looked up, ms a step", "products, ms")
    print(table((*head, "times as fast"), rows))


if __name__ == "__main__":
    main()
