"""Words instead of vectors: what an embedding's output stands for, and where that pays.

A product with the vectors of all words, once a batch, takes the place of one a step.
The gradient goes to these vectors directly then, and not through the embedding's
output; so an output that somebody else may read or write is not taken for its words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import keras
from keras import ops
from keras.src.backend.common.tensor_attributes import get_tensor_attr, set_tensor_attr

from refrain.cells import Cell, SizedCell
from refrain.graph.changes import Changes
from refrain.graph.dropout import DROPOUT
from refrain.graph.lookup import FEATURES, reads_products
from refrain.graph.ops import NO_ROW
from refrain.layers.equations import PACKAGE
from refrain.layers.rules import matmul

_ATTRIBUTE = "_refrain_lookup"


@keras.saving.register_keras_serializable(PACKAGE)
class Embedding(keras.layers.Embedding):
    """keras.layers.Embedding, whose output tells recurrent layers its words."""

    def call(self, inputs: Any) -> Any:
        """The vector of each word."""
        found: Any = super().call(inputs)
        if self._inside():
            vectors = ops.cast(self.embeddings, self.compute_dtype)
            lookup = Lookup(inputs, vectors, _times_written(found))
            set_tensor_attr(found, _ATTRIBUTE, lookup)
        return found

    def quantize(
        self, mode: Any = None, type_check: bool = True, config: Any = None
    ) -> Any:
        """Keras's, which refuses classes that derive from its own."""
        derived = type(self) is not Embedding
        return super().quantize(mode, type_check and derived, config)

    def _inside(self) -> bool:
        """Whether the output is but a step inside of a model.

        JAX's arrays stay as they are, and nobody asks for the gradient of one that is
        there already. Those of torch may be changed, and have a gradient.
        """
        backend = keras.backend.backend()
        model = self._get_call_context().entry_layer
        given = getattr(model, "outputs", None) or ()
        away = any(output._keras_history.operation is self for output in given)
        alone = away or model is self
        return backend == "jax" or (backend == "torch" and not alone)


@dataclass(frozen=True)
class Lookup:
    """Sequences of words.

    Attributes:
        words: `(batch, timesteps)`, whole numbers.
        vectors: `(number of words, features)`, what they stand for.
        version: how often the sequences of vectors had been written to.
    """

    words: Any
    vectors: Any
    version: int = 0

    @property
    def count(self) -> int:
        """How many words there are."""
        return self.vectors.shape[0]

    def index(self, mask: Any) -> Any:
        """Words as the input of a kernel, `(batch, timesteps, 1)`.

        Those below zero count from the end, as in Keras on JAX and torch. Nothing is
        looked up at steps where the mask, if there is one, is 0.
        """
        words: Any = ops.cast(self.words, "int32")
        index: Any = ops.where(words < 0, words + self.count, words)
        index = ops.where(index < 0, self.count, index)  # there is no such word
        if mask is not None:
            index = ops.where(mask > 0.5, index, int(NO_ROW))
        return ops.cast(ops.expand_dims(index, -1), self.vectors.dtype)

    def sequences(self) -> Any:
        """The vectors of the words, `(batch, timesteps, features)`."""
        return ops.take(self.vectors, ops.cast(self.words, "int32"), axis=0)

    def projected(
        self, sized: SizedCell, arrays: Mapping[str, Any], masked: bool
    ) -> dict[str, Any]:
        """A cell's variables, those of the input multiplied with all vectors.

        Where there is a mask, a vector that is no number and that nobody reads, such as
        that of padding, leaves no trace in gradients.
        """
        project = self._project_numbers if masked else partial(matmul, self.vectors)
        names = _of_input(sized)
        return {n: project(a) if n in names else a for n, a in arrays.items()}

    def _project_numbers(self, array: Any) -> Any:
        """Products with a matrix, whose gradient is of vectors of numbers alone."""
        none: Any = ops.any(ops.isnan(self.vectors), axis=-1, keepdims=True)
        products = matmul(ops.where(none, 0.0, self.vectors), array)
        return ops.where(none, float("nan"), products)


def lookup_of(sequences: Any, sized: SizedCell, changes: Changes) -> Lookup | None:
    """The words behind sequences of vectors, where to look them up pays.

    It does where a batch has at least twice as many steps as there are words, for a
    cell that reads products of its input alone, without dropout of the input.
    """
    lookup = get_tensor_attr(sequences, _ATTRIBUTE)
    if lookup is None or lookup.version != _times_written(sequences):
        return None
    if getattr(sequences, "retains_grad", False):  # torch: its gradient is wanted
        return None
    shape = tuple(lookup.words.shape)
    if len(shape) != 2 or None in shape or math.prod(shape) < 2 * lookup.count:
        return None
    dropped = any(name.startswith(DROPOUT) for name in changes.dropout)
    return None if dropped or not _of_input(sized) else lookup


def _times_written(tensor: Any) -> int:
    """torch counts it; other arrays are never written to."""
    return getattr(tensor, "_version", 0)


def _of_input(sized: SizedCell) -> tuple[str, ...]:
    """Variables of the matrices that the input is multiplied with.

    Empty where a cell reads more of its input than products, or where such a matrix
    shares its variable with other weights.
    """
    return _matrices(sized.cell, tuple(sized.options.items()))


@cache
def _matrices(cell: Cell, options: tuple[tuple[str, Any], ...]) -> tuple[str, ...]:
    sized = SizedCell(cell, dict.fromkeys(cell.sizes, 1), dict(options))
    found = []
    for variable in sized.variables(1) if reads_products(sized.graph) else ():
        reads = [w.shape[:1] == (FEATURES,) for w in variable.weights.values()]
        if any(reads):
            found.append(variable.name)
        if any(reads) and not all(reads):
            return ()
    return tuple(found)
