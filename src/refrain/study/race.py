"""Trains networks under one budget and measures what each of them took.

Every network gets the same arrays, the same number of epochs at most, the same batch
size, optimiser and seed.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from refrain.errors import RefrainError
from refrain.study.record import Training

TIMED_RUNS = 40


@dataclass(frozen=True)
class Budget:
    """What every network may use.

    Attributes:
        epochs: passes over the training windows, at most.
        patience: epochs without a better validation loss after which training stops;
            the best epoch's weights are kept.
        batch_size: windows a step of the optimiser.
        learning_rate: of Adam; gradients are clipped to norm 1.
        seed: of weights and of the order of windows.
    """

    epochs: int = 100
    patience: int = 10
    batch_size: int = 32
    learning_rate: float = 3e-3
    seed: int = 0


@dataclass(frozen=True)
class Arrays:
    """Inputs and targets of the training and the validation part."""

    x: np.ndarray
    y: np.ndarray
    validation_x: np.ndarray
    validation_y: np.ndarray


@dataclass(frozen=True)
class Progress:
    """Where training stands: epochs done, and the validation losses so far.

    Before the first epoch, both losses are infinite.
    """

    epoch: int
    epochs: int
    validation_loss: float
    best: float


Report = Callable[[Progress], None]


def train(
    build: Callable[[], keras.Model],
    arrays: Arrays,
    budget: Budget,
    report: Report = lambda _: None,
) -> tuple[keras.Model, Training]:
    """Build a network, compile it and train it.

    Args:
        build: makes the model; called after the seed is set.
        arrays: what to learn from, and to stop by.
        budget: the same for every network of a comparison.
        report: called before the first epoch and after each.

    Returns:
        The model with the weights of its best epoch, and what training took.

    Raises:
        RefrainError: Keras runs on NumPy, which has no gradients, or no epoch had a
            finite validation loss.
    """
    if keras.backend.backend() == "numpy":
        raise RefrainError(
            "Keras's NumPy backend cannot train; choose another one with "
            "KERAS_BACKEND=jax"
        )
    report(Progress(0, budget.epochs, math.inf, math.inf))
    keras.utils.set_random_seed(budget.seed)
    model = build()
    optimizer = keras.optimizers.Adam(budget.learning_rate, clipnorm=1.0)
    model.compile(optimizer=optimizer, loss="mae")
    watch = _Watch(budget.epochs, report)
    stop = keras.callbacks.EarlyStopping(
        patience=budget.patience, restore_best_weights=True
    )
    start = time.perf_counter()
    history = model.fit(
        arrays.x,
        arrays.y,
        validation_data=(arrays.validation_x, arrays.validation_y),
        epochs=budget.epochs,
        batch_size=budget.batch_size,
        callbacks=[stop, watch],
        verbose=0,  # pyright: ignore[reportArgumentType]: declared as str
    ).history
    train_s = time.perf_counter() - start
    losses = np.array(history["val_loss"])
    if not np.isfinite(losses).any():
        raise RefrainError("training diverged: no epoch had a finite validation loss")
    others = watch.seconds[1:]
    return model, Training(
        train_s=train_s,
        first_epoch_s=watch.seconds[0],
        epoch_s=statistics.median(others) if others else None,
        epochs=len(losses),
        best_epoch=int(np.nanargmin(losses)) + 1,
        loss=tuple(map(float, history["loss"])),
        validation_loss=tuple(map(float, losses)),
    )


class _Watch(keras.callbacks.Callback):
    """Takes the time of each epoch and reports it."""

    def __init__(self, epochs: int, report: Report):
        super().__init__()
        self.epochs = epochs
        self.report = report
        self.seconds: list[float] = []
        self.best = math.inf
        self._start = 0.0

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds.append(time.perf_counter() - self._start)
        loss = float((logs or {})["val_loss"])
        self.best = min(self.best, loss)
        self.report(Progress(epoch + 1, self.epochs, loss, self.best))


def predict(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """The model's outputs for many windows, without a display."""
    return model.predict(x, batch_size=256, verbose=0)  # pyright: ignore[reportArgumentType]


def step_time_us(model: keras.Model, window: np.ndarray) -> float:
    """Time of one step in microseconds, for one sequence at a time.

    Median of `TIMED_RUNS` calls of `predict_on_batch` on one window
    `(1, timesteps, channels)`, Keras's own cost of a call included, divided by
    the number of timesteps.
    """
    taken = []
    for _ in range(TIMED_RUNS + 3):
        start = time.perf_counter()
        model.predict_on_batch(window)
        taken.append(time.perf_counter() - start)
    # The first calls compile and warm up.
    return 1e6 * statistics.median(taken[3:]) / window.shape[1]
