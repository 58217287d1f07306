"""Does each cell learn the adding problem, and over how many steps?

Hochreiter and Schmidhuber 1997: of many numbers in [0, 1] two are marked, and their
sum is asked for after the last. Who puts out 1 always has the squared error 0.167.
The model is Dense(32, relu), the cell with 64 units, Dense(1): the first layer lets
cells that are the same at all times, such as the LRU, see products of number and mark.
Adam, fresh sequences in each batch, one seed; it stops early at an error of 0.01.

    python benchmarks/adding.py --steps 50
    python benchmarks/adding.py --steps 200 --updates 2000 simple_rnn lstm lru
"""

from __future__ import annotations

import argparse
import os
import time

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np
from harness import table

from refrain import cells, layers

UNITS, BATCH, SOLVED, CHECK_EVERY = 64, 64, 0.01, 100


def sequences(count: int, steps: int, rng) -> tuple[np.ndarray, np.ndarray]:
    """Numbers with marks, `(count, steps, 2)`, and the sums of those marked."""
    x = np.zeros((count, steps, 2), "float32")
    x[..., 0] = rng.random((count, steps))
    one = rng.integers(0, steps // 2, count)
    two = rng.integers(steps // 2, steps, count)
    rows = np.arange(count)
    x[rows, one, 1] = x[rows, two, 1] = 1.0
    return x, (x[..., 0] * x[..., 1]).sum(1, keepdims=True)


def model_of(cell: cells.Cell, steps: int, rate: float) -> keras.Model:
    others = dict.fromkeys(cell.sizes[1:], UNITS // 2)
    model = keras.Sequential(
        [
            keras.Input((steps, 2)),
            keras.layers.Dense(32, activation="relu"),
            layers.RNN(cell(UNITS, **others)),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), "mse")
    return model


def learn(cell: cells.Cell, arguments: argparse.Namespace) -> tuple:
    keras.utils.set_random_seed(arguments.seed)
    rng = np.random.default_rng(arguments.seed)
    unseen = sequences(1024, arguments.steps, np.random.default_rng(10**6))
    model = model_of(cell, arguments.steps, arguments.rate)
    start, updates, error, best = time.perf_counter(), 0, np.inf, np.inf
    while updates < arguments.updates and error > SOLVED:
        x, y = sequences(BATCH * CHECK_EVERY, arguments.steps, rng)
        model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)
        error = model.evaluate(*unseen, batch_size=256, verbose=0)
        best, updates = min(best, error), updates + CHECK_EVERY
    seconds = f"{time.perf_counter() - start:.0f}"
    return cell.name, updates, f"{error:.4f}", f"{best:.4f}", seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cells", nargs="*", help="names; without any, all")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--updates", type=int, default=1500)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chosen = [c for c in cells.ALL if c.name in arguments.cells or not arguments.cells]
    rows = []
    for cell in chosen:
        rows.append(learn(cell, arguments))
        print(*rows[-1], flush=True)
    print(table(("cell", "updates", "squared error", "best", "seconds"), rows))


if __name__ == "__main__":
    main()
