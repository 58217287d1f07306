"""Truncated back-propagation through time: long sequences in chunks, states carried.

A stateful layer keeps its states from one batch to the next and lets no gradient
through (Williams and Peng 1990, doi:10.1162/neco.1990.2.4.490). So chunks are batches,
in the order of time, and states start anew with each group of sequences.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from refrain.errors import DataError


def tbptt(x: Any, y: Any, *, steps: int, batch_size: int) -> Chunks:
    """Cut long sequences into chunks to train a model of stateful layers.

    Args:
        x: sequences, `(samples, timesteps, ...)`.
        y: a target for each step, `(samples, timesteps, ...)`.
        steps: steps of a chunk, so many does a gradient reach back; the last chunk of
            a sequence may be shorter, but not on TensorFlow.
        batch_size: sequences that are read side by side; a divisor of their number.

    Returns:
        Batches for `model.fit(chunks, callbacks=[chunks.resets], shuffle=False)`.

    Raises:
        DataError: the arrays do not fit each other, or cannot be cut like that.
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim < 2 or x.shape[:2] != y.shape[:2]:
        raise DataError(
            "tbptt: expected x and y of shape (samples, timesteps, ...), with a target "
            f"for each step; received {x.shape} and {y.shape}"
        )
    for name, number in (("steps", steps), ("batch_size", batch_size)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise DataError(
                f"tbptt: expected {name} to be an integer of at least 1, received "
                f"{number!r}"
            )
    if x.size == 0 or len(x) % batch_size:
        raise DataError(
            f"tbptt: expected a number of sequences that is a multiple of "
            f"batch_size={batch_size}, received {len(x)}.\n  Hint: the states of a "
            "stateful layer belong to a fixed number of sequences."
        )
    if x.shape[1] % steps and keras.backend.backend() == "tensorflow":
        raise DataError(
            f"tbptt: expected a multiple of steps={steps} time steps, received "
            f"{x.shape[1]}.\n  Hint: on TensorFlow all batches have one shape."
        )
    return Chunks(x, y, steps, batch_size)


class Chunks(keras.utils.PyDataset):
    """Batches of one chunk each: all chunks of one group of sequences, then the next.

    Attributes:
        resets: the callback by which states start anew with each group; it belongs to
            whatever reads the chunks: `fit`, `evaluate` or `predict`.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, steps: int, batch_size: int):
        super().__init__()
        self.arrays = x, y
        self.steps, self.group = steps, batch_size
        self.each = -(-x.shape[1] // steps)  # chunks of a sequence
        self.resets = Resets(self)
        self.reading = False
        self.unheard = 0  # readings since the callback was heard of
        self.latest = -1

    def __len__(self) -> int:
        return len(self.arrays[0]) // self.group * self.each

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if index not in (0, self.latest + 1):
            raise DataError(
                f"expected chunk {self.latest + 1} to be read next, received a wish "
                f"for chunk {index}.\n  Hint: chunks follow each other in time; pass "
                "shuffle=False to fit."
            )
        self.latest = index
        group, chunk = divmod(index, self.each)
        samples = slice(group * self.group, (group + 1) * self.group)
        moments = slice(chunk * self.steps, (chunk + 1) * self.steps)
        x, y = (array[samples, moments] for array in self.arrays)
        return x, y

    def on_epoch_begin(self) -> None:
        """Keras is going to read the chunks from the first on.

        Raises:
            DataError: nobody resets states, which run from one sequence into another.
        """
        self.reading = True
        self.unheard += 1
        if self.unheard > 1:  # once, Keras looks at the first chunk to build a model
            raise DataError(
                "nobody resets the states of the model where other sequences begin.\n"
                "  Hint: pass the callback of the chunks, callbacks=[chunks.resets]."
            )

    def on_epoch_end(self) -> None:
        """Keras has stopped reading."""
        self.reading = False


class Resets(keras.callbacks.Callback):
    """Lets all stateful layers start anew where chunks of other sequences begin."""

    def __init__(self, chunks: Chunks):
        super().__init__()
        self.chunks = chunks

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        """Somebody is going to reset states."""
        self.chunks.unheard = 0

    on_test_begin = on_predict_begin = on_train_begin

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Before a chunk is trained on."""
        self._before(batch)

    on_test_batch_begin = on_predict_batch_begin = on_train_batch_begin

    def _before(self, batch: int) -> None:
        if not self.chunks.reading:
            return  # other data: `fit` hears of those that validate as well
        self.chunks.unheard = 0
        model: Any = self.model
        if model.steps_per_execution > 1 and self.chunks.each > 1:
            raise DataError(
                "expected steps_per_execution=1, as states are reset between steps; "
                f"received {model.steps_per_execution}"
            )
        if batch % self.chunks.each:
            return
        if keras.backend.backend() == "jax":
            model.jax_state_sync()  # JAX trains on copies of the variables
        for layer in model._flatten_layers():
            if getattr(layer, "stateful", False) and hasattr(layer, "reset_state"):
                layer.reset_state()
