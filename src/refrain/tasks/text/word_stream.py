"""A classifier that reads one word after the other and answers after each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

import refrain.stream
from refrain.errors import DataError, StreamError
from refrain.tasks.text.measures import softmax
from refrain.tasks.text.options import LAST

if TYPE_CHECKING:
    from refrain.tasks.text.classifier import SentimentClassifier


class WordStream:
    """The answer to a text so far; a new word takes microseconds.

    Args:
        classifier: trained with `pooling="last"` and a cell that reads forwards.

    Raises:
        StreamError: the classifier needs the whole text at once.
    """

    def __init__(self, classifier: SentimentClassifier):
        if classifier.pooling != LAST or classifier.cell_ == "bilstm":
            raise StreamError(
                f"a classifier with pooling={classifier.pooling!r} and the cell "
                f"{classifier.cell_} needs the whole text at once; train one with "
                "pooling='last' and a cell of one direction, such as gru"
            )
        self._vocabulary = classifier.vocabulary_
        self._temperature = classifier.temperature_
        self._stream = refrain.stream.open(classifier.network_)
        self.classes_ = classifier.classes_

    def step(self, words: str) -> np.ndarray:
        """Read on.

        Args:
            words: one word, or several.

        Returns:
            Probabilities of the labels after all words so far, `(classes,)`, in the
            order of `classes_`.

        Raises:
            DataError: there is no word in it.
        """
        if not self._vocabulary.cut(words):
            raise DataError(f"expected a word, received {words!r}")
        logits = np.zeros(0)
        for number in self._vocabulary.encode([words]).numbers[0]:
            logits = self._stream.step(int(number))
        return softmax(logits[None].astype(float) / self._temperature)[0]

    def state(self) -> bytes:
        """What it goes on from, to be restored exactly in this or another process."""
        return self._stream.state()

    def restore(self, state: bytes) -> None:
        """Go on from what `state` returned.

        Raises:
            StreamError: it is damaged, or that of another classifier.
        """
        self._stream.restore(state)

    def read(self, line: str) -> tuple[str] | None:
        """The words of a line; an empty one begins another text."""
        if line.strip():
            return (line,)
        self.reset()
        return None

    def tell(self, probabilities: np.ndarray) -> str:
        """Probabilities of the labels as a line of JSON."""
        best = int(probabilities.argmax())
        label, probability = self.classes_[best].item(), float(probabilities[best])
        return json.dumps({"label": label, "probability": round(probability, 4)})

    def reset(self) -> None:
        """Forget the words so far: another text begins."""
        self._stream.reset()
