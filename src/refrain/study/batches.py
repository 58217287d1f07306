"""Arrays as batches, in an order that depends on the seed and the epoch alone.

So training that was cut off goes on with the batches that it would have had.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

# Sequences are padded to few lengths, for each is compiled anew.
BUCKETS, MULTIPLE = 4, 8


@dataclass(frozen=True)
class Arrays:
    """Inputs and targets of the training and the validation part.

    Attributes:
        x, y: one array each, or nested tuples or dictionaries of arrays, with one row
            a sample.
        validation_x, validation_y: the same of the validation part.
        weights: of each training sample in the loss, `(samples,)`; None for 1.
        lengths, validation_lengths: steps of each sample, where those behind them in
            `x` are padding, which batches of short samples leave out.
    """

    x: Any
    y: Any
    validation_x: Any
    validation_y: Any
    weights: np.ndarray | None = None
    lengths: np.ndarray | None = None
    validation_lengths: np.ndarray | None = None

    def digest(self) -> str:
        """Differs from that of all other arrays."""
        found = hashlib.sha256()
        for array in keras.tree.flatten(list(vars(self).values())):
            if array is not None:
                found.update(f"{array.dtype} {array.shape}".encode())
                found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()


class Batches(keras.utils.PyDataset):
    """Samples as batches, for `fit` and `evaluate`.

    Args:
        x, y, weights, lengths: of the samples; see `Arrays`.
        batch_size: samples a batch; the last may have fewer.
        seed: of the order; None leaves the samples in theirs, or sorts them by
            length where there are lengths.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        batch_size: int,
        seed: int | None = None,
        weights: np.ndarray | None = None,
        lengths: np.ndarray | None = None,
    ):
        super().__init__()
        self._parts = (x, y) if weights is None else (x, y, weights)
        self._padded = None if lengths is None else padded_lengths(lengths)
        self._samples = len(keras.tree.flatten(x)[0])
        self._batch_size = batch_size
        self._seed = seed
        self._batches = self._cut(0)

    def shuffle(self, epoch: int) -> None:
        """Take the order of this epoch, counted from 0."""
        self._batches = self._cut(epoch)

    def _cut(self, epoch: int) -> list[np.ndarray]:
        """The samples of each batch. Only one that holds the longest may be short."""
        order = np.arange(self._samples)
        random = None
        if self._seed is not None:
            random = np.random.default_rng((self._seed, epoch))
            order = random.permutation(order)
        if self._padded is not None:
            order = order[np.argsort(self._padded[order], kind="stable")]
        ends = range(self._batch_size, self._samples, self._batch_size)
        batches = np.split(order, ends)
        if random is not None and self._padded is not None:
            batches = [batches[k] for k in random.permutation(len(batches))]
        return batches

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        rows = self._batches[index]
        x, *rest = (
            keras.tree.map_structure(lambda array: array[rows], part)
            for part in self._parts
        )
        if self._padded is not None:
            steps = self._padded[rows].max()
            x = keras.tree.map_structure(lambda array: array[:, :steps], x)
        return (x, *rest)


def padded_lengths(lengths: np.ndarray) -> np.ndarray:
    """To which length each sample is padded: one of at most `BUCKETS`.

    They are those of a quarter, a half, three quarters and all of the samples, rounded
    up to a multiple of 8.
    """
    parts = np.arange(1, BUCKETS + 1) / BUCKETS
    ends = np.quantile(lengths, parts, method="higher")
    rounded = np.unique(-(-np.maximum(ends, 1) // MULTIPLE) * MULTIPLE).astype(int)
    return rounded[np.searchsorted(rounded, lengths)]
