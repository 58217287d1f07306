"""The network of a text classifier: embedding, recurrent layers, pooling, labels."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from refrain.study.candidates import Candidate
from refrain.tasks.text.options import ATTENTION, LAST, TextOptions


@keras.saving.register_keras_serializable("refrain")
class Pooling(keras.layers.Layer):
    """One vector from the outputs of all steps; masked steps do not count.

    Args:
        kind: "mean", "max", "mean_max" (both, side by side), or "attention": a mean
            whose weights are a softmax over a learnt score of each step (Yang et al.
            2016, doi:10.18653/v1/N16-1174, without their hidden layer).
    """

    def __init__(self, kind: str, **settings: Any):
        super().__init__(**settings)
        self.kind = kind
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Make the weights of the scores."""
        if self.kind == ATTENTION:
            self.score = self.add_weight(
                shape=(input_shape[-1], 1), initializer="glorot_uniform", name="score"
            )

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """From `(batch, timesteps, features)` to one vector each."""
        if mask is None:
            mask = ops.ones_like(inputs[..., 0], "bool")
        present: Any = ops.expand_dims(ops.cast(mask, inputs.dtype), -1)
        if self.kind == ATTENTION:
            score: Any = ops.matmul(inputs, self.score) - (1 - present) * 1e9
            return ops.sum(inputs * ops.softmax(score, axis=1), axis=1)
        found = []
        if self.kind != "max":
            steps: Any = ops.maximum(ops.sum(present, axis=1), 1)
            found.append(ops.sum(inputs * present, axis=1) / steps)
        if self.kind != "mean":
            found.append(ops.max(inputs - (1 - present) * 1e9, axis=1))
        return ops.concatenate(found, axis=-1)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> None:
        """No step is left to mask."""

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """`(batch, features)`, or twice the features."""
        times = 2 if self.kind == "mean_max" else 1
        return input_shape[0], input_shape[-1] * times

    def get_config(self) -> dict[str, Any]:
        """What makes the layer again."""
        return {**super().get_config(), "kind": self.kind}


def text_network(
    options: TextOptions,
    candidate: Candidate,
    words: int,
    classes: int,
    vectors: np.ndarray | None = None,
) -> keras.Model:
    """A model from `(batch, timesteps)` numbers of words to `(batch, classes)` logits.

    Args:
        options: sizes and dropout.
        candidate: the recurrent layer.
        words: size of the vocabulary.
        classes: labels.
        vectors: first values of the embedding, `(words, numbers)`.
    """
    size = options.embedding if vectors is None else vectors.shape[1]
    table = keras.layers.Embedding(words, size, mask_zero=True)
    value = inputs = keras.Input((None,), dtype="int32")
    value = table(value)
    if options.word_dropout:
        # One choice a word: all of its numbers or none.
        one_a_word = (None, None, 1)
        value = keras.layers.Dropout(options.word_dropout, one_a_word)(value)
    value = keras.layers.Dropout(options.dropout)(value)
    for k in range(options.layers):
        pooled = options.pooling != LAST or k < options.layers - 1
        value = candidate.build(options.units, return_sequences=pooled)(value)
        if k < options.layers - 1:
            value = keras.layers.Dropout(options.dropout)(value)
    if options.pooling != LAST:
        value = Pooling(options.pooling)(value)
    value = keras.layers.Dropout(options.dropout)(value)
    network = keras.Model(inputs, keras.layers.Dense(classes)(value))
    if vectors is not None:
        table.set_weights([vectors])
    return network
