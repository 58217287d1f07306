"""A contest: data, models and figures on which cells are compared.

The race knows nothing else of a task. Making one imports no Keras; what it makes does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from refrain.compare.record import Confusion, Entry, Metric, Shown, Traces
from refrain.study.candidates import Candidate

if TYPE_CHECKING:
    import keras


# What training lowers, for people.
LOSSES = {
    "mae": "mean absolute error",
    "mse": "mean squared error",
    "sparse_categorical_crossentropy": "cross entropy",
    "logits": "cross entropy",
}


@dataclass(frozen=True)
class Scored:
    """What a trained model did on the part that nobody has seen.

    Attributes:
        scores: by the name of the metric; NaN where one is not defined.
        shown: rows for the contest's exhibit: a forecast a block, or how many samples
            of each class (row) were taken for each class (column).
    """

    scores: Mapping[str, float]
    shown: Shown


@dataclass(frozen=True)
class Contest:
    """One task on one set of data.

    Attributes:
        task: `forecast`, `probe` or `text`.
        title: what is compared on, in a line.
        subtitle: what the exhibit shows.
        about: lines that say what the data are, before they are learnt from.
        metrics: figures of the held-out part; the first one decides.
        loss: Keras's name of the loss, or `logits` for the cross entropy of logits.
        training, validation: inputs and targets.
        build: the model of a candidate with so many units.
        judge: figures of a trained model.
        baselines: entries that need no training.
        exhibit: what is drawn: forecasts or a table of confusions; None for nothing.
        held_out: some sequences and targets that nobody has seen, to look into a
            network with; the last one is shown.
        facts: settings and figures of its own, ready for JSON.
        notes: sentences that the reader of the table needs.
        packages: whose versions the figures depend on.
        lengths: steps of each training and validation sequence, where those behind
            them are padding.
    """

    task: str
    title: str
    subtitle: str
    about: tuple[str, ...]
    metrics: tuple[Metric, ...]
    loss: str
    training: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    build: Callable[[Candidate, int], keras.Model]
    judge: Callable[[keras.Model], Scored]
    baselines: tuple[Entry, ...]
    exhibit: Traces | Confusion | None
    held_out: tuple[np.ndarray, np.ndarray]
    facts: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    packages: tuple[str, ...] = ("numpy",)
    lengths: tuple[np.ndarray, np.ndarray] | None = None

    def keras_loss(self) -> Any:
        """The loss as Keras's `compile` takes it."""
        if self.loss != "logits":
            return self.loss
        import keras

        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @property
    def example(self) -> np.ndarray:
        """One sequence, `(1, timesteps, channels)`."""
        return self.held_out[0][-1:]
