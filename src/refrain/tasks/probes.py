"""Probes: small tasks with known answers, to see over how many steps a cell learns.

Each draws its sequences from a seed and has a baseline that remembers nothing. Errors
are such that lower is better, and a probe is solved below a stated error.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from refrain.errors import DataError
from refrain.study.candidates import Candidate

if TYPE_CHECKING:
    import keras

SYMBOLS, COPIED = 8, 10  # of copy memory: how many there are, how many are to be kept
PIXELS = 64  # of a digit, 8 × 8
PERMUTATION = 92916  # seed of the one permutation of pixels
HELD_OUT = 0.3  # of the digits, the last ones of one shuffle
FRONT = 32  # units of the layer before the cell

Drawn = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Probe:
    """A task with a known answer.

    Attributes:
        key: `adding`, `copy`, `digits`, `permuted`.
        title: what is asked, in a line.
        lengths: steps for which the curve is usually drawn.
        features: numbers a step.
        answers: numbers in an answer, or classes.
        every_step: an answer is asked for at every step.
        loss: Keras's name of it.
        metric: the error by which it is judged.
        draw: sequences and answers: how many, how long, a source of random numbers,
            and whether they are unseen ones.
        baseline: the error of one who remembers nothing, by length.
        solved_below: the error below which it is solved, by length.
    """

    key: str
    title: str
    lengths: tuple[int, ...]
    features: Callable[[int], int]
    answers: int
    every_step: bool
    loss: str
    metric: str
    draw: Callable[[int, int, np.random.Generator, bool], Drawn]
    baseline: Callable[[int], float]
    solved_below: Callable[[int], float]

    def check(self, length: int) -> None:
        """Refuse a length for which there is no such sequence.

        Raises:
            DataError: it is too short, or pixels cannot be parted into so many steps.
        """
        if self.metric == "error rate" and (length < 1 or PIXELS % length):
            raise DataError(
                f"{self.key}: expected a length that divides {PIXELS} pixels, "
                f"received {length}"
            )
        if length < 2:
            raise DataError(
                f"{self.key}: expected a length of at least 2, received {length}"
            )

    def timesteps(self, length: int) -> int:
        """Steps of a sequence; of copy memory, more than it waits."""
        return length + 2 * COPIED if self.key == "copy" else length

    def build(self, candidate: Candidate, units: int, length: int) -> keras.Model:
        """A Dense layer, the cell, a Dense layer for the answer.

        Without the first, cells that are the same at all times, such as the LRU, could
        not see products of what they read.
        """
        import keras

        softmax = self.loss.endswith("crossentropy")
        return keras.Sequential(
            [
                keras.Input((self.timesteps(length), self.features(length))),
                keras.layers.Dense(FRONT, activation="relu"),
                candidate.build(units, return_sequences=self.every_step),
                keras.layers.Dense(
                    self.answers, activation="softmax" if softmax else None
                ),
            ]
        )

    def error(self, model: keras.Model, x: np.ndarray, y: np.ndarray) -> float:
        """The metric of a model on sequences."""
        found = np.asarray(model.predict(x, batch_size=256, verbose=0), float)  # pyright: ignore[reportArgumentType]
        if self.metric == "squared error":
            return float(np.mean((found - y) ** 2))
        if self.metric == "error rate":
            return float(np.mean(found.argmax(-1) != y))
        right = np.take_along_axis(found, y[..., None].astype(int), axis=-1)
        return float(-np.log(np.maximum(right, 1e-30)).mean())


def adding(count: int, length: int, rng: np.random.Generator, _: bool = False) -> Drawn:
    """Numbers in [0, 1] with two marks, `(count, length, 2)`, and the sum of the two.

    One mark lies in each half. Source: Hochreiter, Schmidhuber 1997.
    """
    x = np.zeros((count, length, 2), "float32")
    x[..., 0] = rng.random((count, length))
    one = rng.integers(0, length // 2, count)
    two = rng.integers(length // 2, length, count)
    rows = np.arange(count)
    x[rows, one, 1] = x[rows, two, 1] = 1.0
    return x, (x[..., 0] * x[..., 1]).sum(1, keepdims=True)


def copy_memory(
    count: int, length: int, rng: np.random.Generator, _: bool = False
) -> Drawn:
    """Ten symbols, to be said again after a wait and a sign.

    Sequences are `(count, length + 20, 10)`, answers numbers of symbols,
    `(count, length + 20)`; 8 is nothing. The sign stands `length` steps after the last
    symbol, and the answer follows it.
    Source: Arjovsky, Shah, Bengio 2016, arXiv 1511.06464.
    """
    blank, sign, steps = SYMBOLS, SYMBOLS + 1, length + 2 * COPIED
    symbols = rng.integers(0, SYMBOLS, (count, COPIED))
    read = np.full((count, steps), blank)
    read[:, :COPIED] = symbols
    read[:, length + COPIED - 1] = sign
    answers = np.full((count, steps), blank)
    answers[:, -COPIED:] = symbols
    return np.eye(SYMBOLS + 2, dtype="float32")[read], answers


def digits(
    count: int,
    length: int,
    rng: np.random.Generator,
    unseen: bool = False,
    permuted: bool = False,
) -> Drawn:
    """Handwritten digits pixel by pixel, `(count, length, 64 / length)`, and which.

    The 1,797 images of 8 × 8 that scikit-learn brings, of Alpaydin and Kaynak 1998,
    and not the 28 × 28 of MNIST: 64 steps, where the papers' have 784.
    """
    images, classes = _images()
    held_out = int(HELD_OUT * len(images))
    pool = slice(-held_out, None) if unseen else slice(0, -held_out)
    images, classes = images[pool], classes[pool]
    if permuted:
        images = images[:, np.random.default_rng(PERMUTATION).permutation(PIXELS)]
    chosen = np.arange(len(images)) if unseen else rng.integers(len(images), size=count)
    return images[chosen].reshape(len(chosen), length, -1), classes[chosen]


@functools.cache
def _images() -> Drawn:
    from sklearn.datasets import load_digits

    found: Any = load_digits(return_X_y=True)
    data, classes = found
    order = np.random.default_rng(0).permutation(len(data))
    return (data[order] / 16).astype("float32"), classes[order]


def _lasting(length: int) -> float:
    return COPIED * math.log(SYMBOLS) / (length + 2 * COPIED)


_DIGITS = {
    "lengths": (8, 16, 32, 64),
    "features": lambda length: PIXELS // length,
    "answers": 10,
    "every_step": False,
    "loss": "sparse_categorical_crossentropy",
    "metric": "error rate",
    "baseline": lambda _: 0.9,
    "solved_below": lambda _: 0.1,
}
PROBES = {
    probe.key: probe
    for probe in (
        Probe(
            key="adding",
            title="of many numbers two are marked: what is their sum?",
            lengths=(25, 50, 100, 200),
            features=lambda _: 2,
            answers=1,
            every_step=False,
            loss="mse",
            metric="squared error",
            draw=adding,
            baseline=lambda _: 1 / 6,  # of one who says 1, the variance of the sum
            solved_below=lambda _: 0.01,
        ),
        Probe(
            key="copy",
            title="ten symbols, a wait: which were they?",
            lengths=(10, 30, 100),
            features=lambda _: SYMBOLS + 2,
            answers=SYMBOLS + 1,
            every_step=True,
            loss="sparse_categorical_crossentropy",
            metric="cross-entropy",
            draw=copy_memory,
            baseline=_lasting,
            solved_below=lambda length: 0.1 * _lasting(length),
        ),
        Probe("digits", "a digit, pixel by pixel: which?", draw=digits, **_DIGITS),
        Probe(
            "permuted",
            "a digit, its pixels in a fixed random order: which?",
            draw=functools.partial(digits, permuted=True),
            **_DIGITS,
        ),
    )
}


def find_probe(key: str) -> Probe:
    """A probe by its key.

    Raises:
        DataError: there is none.
    """
    if key not in PROBES:
        raise DataError(f"unknown probe {key!r}; expected one of {', '.join(PROBES)}")
    return PROBES[key]
