"""Trains networks under one budget.

Every network gets the same arrays, the same number of epochs at most, the same batch
size, optimiser and seed. A training that was cut off goes on exactly where it stood.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from refrain.errors import RefrainError
from refrain.study import checkpoint as checkpoints
from refrain.study.batches import Arrays, Batches
from refrain.study.checkpoint import State
from refrain.study.training import Budget, Training
from refrain.study.versions import versions


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
    *,
    loss: Any = "mae",
    metrics: Sequence[Any] = (),
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint: Path | None = None,
    about: Mapping[str, Any] | None = None,
) -> tuple[keras.Model, Training]:
    """Build a network, compile it and train it.

    Args:
        build: makes the model, which knows its input; called after the seed is set.
        arrays: what to learn from, and to stop by.
        budget: the same for every network of a comparison.
        report: called before the first epoch and after each.
        loss, metrics: as Keras's `compile` takes them.
        callbacks: of Keras, called beside our own.
        checkpoint: a file that keeps where training stands after each epoch. If it
            exists, training goes on from it, to the same losses and weights as if it
            had not been cut off. It stays there; the caller deletes it.
        about: settings of the network, ready for JSON; training goes on only where they
            are the same.

    Returns:
        The model with the weights of its best epoch, and what training took.

    Raises:
        RefrainError: Keras runs on NumPy, which has no gradients, no epoch had a
            finite validation loss, or the checkpoint is of another training.
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
    model.compile(optimizer=optimizer, loss=loss, metrics=list(metrics))
    optimizer.build(model.trainable_variables)
    identity = _identity(model, arrays, budget, loss, about or {})
    watch = _Watch(model, arrays, budget, report, checkpoint, identity)
    if not watch.finished:
        model.fit(
            watch.batches,
            validation_data=Batches(
                arrays.validation_x,
                arrays.validation_y,
                budget.batch_size,
                lengths=arrays.validation_lengths,
            ),
            epochs=budget.epochs,
            initial_epoch=watch.state.epochs,
            shuffle=False,  # the batches have their order
            callbacks=[*callbacks, watch],
            verbose=0,  # pyright: ignore[reportArgumentType]: declared as str
        )
    return model, _finish(model, watch.state)


def _finish(model: keras.Model, state: State) -> Training:
    """Give the model its best weights; what training took."""
    if not state.best_epoch:
        raise RefrainError("training diverged: no epoch had a finite validation loss")
    model.set_weights(state.best)
    first, *others = state.seconds
    return Training(
        train_s=sum(state.seconds),
        first_epoch_s=first,
        epoch_s=statistics.median(others) if others else None,
        epochs=state.epochs,
        best_epoch=state.best_epoch,
        loss=tuple(state.losses("loss")),
        validation_loss=tuple(state.losses()),
    )


class _Watch(keras.callbacks.Callback):
    """Orders the batches of each epoch; afterwards keeps, reports and decides."""

    def __init__(
        self,
        model: keras.Model,
        arrays: Arrays,
        budget: Budget,
        report: Report,
        checkpoint: Path | None,
        identity: Mapping[str, Any],
    ):
        super().__init__()
        self.network = model
        self.budget = budget
        self.report = report
        self.checkpoint = checkpoint
        self.batches = Batches(
            arrays.x,
            arrays.y,
            budget.batch_size,
            budget.seed,
            arrays.weights,
            arrays.lengths,
        )
        self.state = State()
        self._start = 0.0
        self._identity = identity
        if checkpoint is not None and checkpoint.exists():
            self.state = checkpoints.load(checkpoint, model, identity)
            self._tell()

    @property
    def finished(self) -> bool:
        """All epochs are done, or the loss got no better for too long."""
        state, budget = self.state, self.budget
        waited = state.epochs - state.best_epoch
        return state.epochs >= budget.epochs or waited >= budget.patience

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self.batches.shuffle(epoch)
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        state, model = self.state, self.network
        state.seconds.append(time.perf_counter() - self._start)
        state.logs.append({name: float(value) for name, value in (logs or {}).items()})
        if state.best_epoch == epoch + 1:
            state.best = checkpoints.weights(model)
        if self.checkpoint is not None:
            checkpoints.save(self.checkpoint, model, state, self._identity)
        self._tell()
        model.stop_training = self.finished

    def _tell(self) -> None:
        losses = self.state.losses()
        best = min((x for x in losses if math.isfinite(x)), default=math.inf)
        self.report(Progress(self.state.epochs, self.budget.epochs, losses[-1], best))


def _identity(
    model: keras.Model,
    arrays: Arrays,
    budget: Budget,
    loss: Any,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """What must be the same for a training to go on. Epochs may be added."""
    limits = ("epochs", "patience")
    return {
        **about,
        **{k: v for k, v in dataclasses.asdict(budget).items() if k not in limits},
        "loss": loss if isinstance(loss, str) else type(loss).__name__,
        "data": arrays.digest(),
        "network": [list(variable.shape) for variable in checkpoints.variables(model)],
        **versions(),
    }


def predict(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """The model's outputs for many windows, without a display."""
    return model.predict(x, batch_size=256, verbose=0)  # pyright: ignore[reportArgumentType]
