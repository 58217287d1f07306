"""A Keras callback that follows memory and gradients while a model trains."""

from __future__ import annotations

from typing import Any

import keras

from refrain.errors import DataError
from refrain.study.diagnosis import SEQUENCES, Diagnosis, diagnose


class FlowRecorder(keras.callbacks.Callback):
    """Diagnoses the recurrent layers on the same sequences after epochs.

    The memory horizon of each layer joins what `fit` logs, as `<layer>_horizon`; one
    that is longer than the sequences counts as their length.

    Attributes:
        epochs: those after which it was done, from 1; 0 before the first.
        history: what was found after each.

    Args:
        x: sequences as the model takes them.
        y: targets, for the gradient of the loss too.
        loss: as Keras's `compile` takes it; the model's own if not given.
        every: epochs from one diagnosis to the next.
        sequences: how many are taken, from the first on.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        loss: Any = None,
        *,
        every: int = 1,
        sequences: int = SEQUENCES,
    ):
        super().__init__()
        if every < 1:
            raise DataError(f"every: expected at least 1, received {every}")
        self.x, self.y, self.loss = x, y, loss
        self.every = every
        self.sequences = sequences
        self.epochs: list[int] = []
        self.history: list[tuple[Diagnosis, ...]] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Look at the network that is about to learn."""
        if not self.history:
            self._look(0, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at what it has become."""
        if (epoch + 1) % self.every == 0:
            self._look(epoch + 1, logs)

    def _look(self, epoch: int, logs: Any) -> None:
        found = diagnose(self.model, self.x, self.y, self.loss, self.sequences)
        self.epochs.append(epoch)
        self.history.append(found)
        if logs is not None:
            for each in found:
                flow = each.flow
                steps = flow.steps if flow.horizon is None else flow.horizon
                logs[f"{each.layer}_horizon"] = steps
