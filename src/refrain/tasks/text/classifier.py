"""The text classifier: fit, predict, evaluate, save and load, as scikit-learn does."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from refrain.errors import DataError, OptionError
from refrain.files import make_folder
from refrain.study.batches import Arrays
from refrain.study.candidates import Candidate, find_candidates
from refrain.study.train import Progress, train
from refrain.study.training import Budget, Training
from refrain.tasks.job import file as model_file
from refrain.tasks.job.options import check, values
from refrain.tasks.job.registry import CLASSIFIER
from refrain.tasks.job.trained import check_trained
from refrain.tasks.text.measures import (
    Judgement,
    balanced,
    judge,
    log_odds,
    softmax,
    temperature,
)
from refrain.tasks.text.network import text_network
from refrain.tasks.text.options import AUTO, TextOptions
from refrain.tasks.text.reading import Texts, lines_of, read_texts
from refrain.tasks.text.split import split
from refrain.tasks.text.vectors import read_vectors
from refrain.tasks.text.vocabulary import Encoded, Vocabulary
from refrain.tasks.text.word_stream import WordStream
from refrain.words import listed

RACE, RACE_EPOCHS = "rnn,lstm,gru,bilstm", 2
BATCH = 256
# What may change when a training that was cut off goes on.
_LIMITS = ("epochs", "patience")

Report = Callable[[str, Progress], None]


class SentimentClassifier(ClassifierMixin, BaseEstimator, TextOptions):
    """A recurrent network that gives texts their labels, two or more.

    Parameters are the fields of `options.TextOptions`, all with defaults that work.

    Attributes:
        classes_: the labels, sorted.
        cell_: the recurrent layer, where `cell` is "auto" the one that was chosen.
        network_: the Keras model, from numbers of words to logits.
        vocabulary_: the words that it knows.
        temperature_: by what logits are divided; see `measures.temperature`.
        training_: losses and times of the training.
    """

    goes_on = False

    def fit(
        self,
        texts: Iterable[str],
        labels: Iterable[Any],
        *,
        report: Report = lambda *_: None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        checkpoints: str | os.PathLike[str] | None = None,
    ) -> SentimentClassifier:
        """Learn from texts and their labels.

        Args:
            texts: one string each.
            labels: of each text; strings, numbers or truth values.
            report: called with the name of a network and where its training stands.
            callbacks: of Keras, for the training of the final network.
            checkpoints: a folder in which training leaves after each epoch where it
                stands. If it did so before, training goes on from there, to the same
                model.

        Raises:
            OptionError: an option cannot have its value.
            DataError: texts and labels cannot be learnt from.
        """
        check(self)
        known = _texts(texts)
        self.about_: dict[str, Any] = {}
        self.classes_, truth = _classes(known, labels)
        learnt, watched = split(truth, self.validation, self.seed)
        self.vocabulary_ = Vocabulary.learn(
            [known[k] for k in learnt],
            self.tokens,
            self.vocabulary,
            self.min_count,
            self.max_length,
        )
        encoded = self.vocabulary_.encode(known)
        arrays = self._arrays(encoded, truth, learnt, watched)
        folder = None if checkpoints is None else make_folder(checkpoints)
        candidate = self._choose(arrays, report, folder)
        self.cell_ = candidate.key
        self.network_, self.training_ = self._train(
            candidate, arrays, self.epochs, report, callbacks, folder, "final"
        )
        logits = self._logits(encoded[watched])
        self.temperature_ = temperature(truth[watched], logits)
        return self

    def _arrays(
        self, encoded: Encoded, truth: np.ndarray, learnt: np.ndarray, watched: Any
    ) -> Arrays:
        weights = None
        if self.class_weights:
            weights = balanced(truth[learnt], len(self.classes_))
        return Arrays(
            encoded.numbers[learnt],
            truth[learnt],
            encoded.numbers[watched],
            truth[watched],
            weights,
            encoded.lengths[learnt],
            encoded.lengths[watched],
        )

    def _choose(self, arrays: Arrays, report: Report, folder: Path | None) -> Candidate:
        """The candidate named, or the one of the lowest loss in a short race."""
        if self.cell != AUTO:
            (named,) = find_candidates(self.cell)
            return named
        losses = {}
        for candidate in find_candidates(RACE):
            _, training = self._train(
                candidate, arrays, RACE_EPOCHS, report, (), folder, "race"
            )
            losses[candidate] = min(training.validation_loss)
        return min(losses, key=losses.__getitem__)

    def _train(
        self,
        candidate: Candidate,
        arrays: Arrays,
        epochs: int,
        report: Report,
        callbacks: Sequence[keras.callbacks.Callback],
        folder: Path | None,
        stage: str,
    ) -> tuple[keras.Model, Training]:
        words = self.vocabulary_.words()
        vectors = None
        if self.vectors is not None:
            vectors = read_vectors(Path(self.vectors), words, self.seed)
        return train(
            lambda: text_network(
                self, candidate, len(words), len(self.classes_), vectors
            ),
            arrays,
            Budget(
                epochs, self.patience, self.batch_size, self.learning_rate, self.seed
            ),
            lambda progress: report(candidate.name, progress),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            callbacks=callbacks,
            checkpoint=folder and folder / f"{stage}-{candidate.key}.npz",
            about={k: v for k, v in values(self).items() if k not in _LIMITS},
        )

    def _logits(self, encoded: Encoded) -> np.ndarray:
        """`(texts, classes)`, the texts in batches of few shapes."""
        check_trained(self)
        found = np.zeros((len(encoded.lengths), len(self.classes_)), np.float32)
        # Rounded up to a power of two: each new shape is compiled.
        steps = 1 << np.ceil(np.log2(np.maximum(encoded.lengths, 8))).astype(int)
        for length in np.unique(steps):
            rows = np.flatnonzero(steps == length)
            for start in range(0, len(rows), BATCH):
                some = rows[start : start + BATCH]
                size = 1 if len(some) == 1 else BATCH
                batch = np.zeros((size, length), np.int32)
                known = encoded.numbers[some, :length]
                batch[: len(some), : known.shape[1]] = known
                logits = self.network_.predict_on_batch(batch)
                found[some] = np.asarray(logits)[: len(some)]
        return found

    def predict_proba(self, texts: Iterable[str]) -> np.ndarray:
        """Calibrated probabilities, `(texts, classes)`, in the order of `classes_`."""
        check_trained(self)
        logits = self._logits(self.vocabulary_.encode(_texts(texts)))
        return softmax(logits.astype(float) / self.temperature_)

    def predict(self, texts: Iterable[str]) -> np.ndarray:
        """The most probable label of each text."""
        chosen = self.predict_proba(texts).argmax(axis=1)
        return self.classes_[chosen]

    def evaluate(self, texts: Iterable[str], labels: Iterable[Any]) -> Judgement:
        """Figures of the classifier on texts whose labels are known.

        Raises:
            DataError: a label is not one that the classifier has learnt.
        """
        known = _texts(texts)
        return judge(self.numbers_of(known, labels), self.predict_proba(known))

    def numbers_of(self, texts: Sequence[str], labels: Iterable[Any]) -> np.ndarray:
        """The index in `classes_` of each label; as many labels as texts."""
        check_trained(self)
        numbers = {str(label): k for k, label in enumerate(self.classes_)}
        names = [str(label) for label in labels]
        if len(names) != len(texts):
            raise DataError(f"received {len(texts)} texts and {len(names)} labels")
        for name in names:
            if name not in numbers:
                raise DataError(
                    f"the label {name!r} is not one that the classifier has learnt: "
                    f"{listed(numbers)}"
                )
        return np.array([numbers[name] for name in names])

    def contributions(self, text: str) -> list[tuple[str, float]]:
        """How much each word speaks for the label that is predicted, by occlusion.

        A word's figure is what the log odds of the predicted label lose when the word
        is left out of the text.
        """
        check_trained(self)
        words = self.vocabulary_.cut(text)
        (numbers,) = self.vocabulary_.encode([text]).numbers
        without = [np.delete(numbers, k) for k in range(len(words))]
        without = [row if len(row) else np.ones(1, np.int32) for row in without]
        lengths = np.array([len(numbers), *map(len, without)])
        table = np.zeros((len(lengths), lengths.max()), np.int32)
        for row, kept in zip(table, [numbers, *without], strict=True):
            row[: len(kept)] = kept
        odds = log_odds(self._logits(Encoded(table, lengths)) / self.temperature_)
        return list(zip(words, (odds[0] - odds[1:]).tolist(), strict=True))

    def stream(self, series: str | None = None, data: Any = None) -> WordStream:
        """The classifier word by word; see `word_stream.WordStream`.

        Raises:
            OptionError: a series is named, or data of one; it has none.
        """
        for name, value in (("series", series), ("data", data)):
            if value is not None:
                raise OptionError(f"--{name}: a text classifier has no series")
        check_trained(self)
        return WordStream(self)

    def save(
        self, path: str | os.PathLike[str], about: dict[str, Any] | None = None
    ) -> None:
        """Write the classifier to one file, whole or not at all.

        Args:
            path: the file, by custom `*.refrain`.
            about: what else to keep in it, as JSON holds it; `load` gives it back as
                `about_`.
        """
        check_trained(self)
        state = {
            "classes": self.classes_.tolist(),
            "cell": self.cell_,
            "vocabulary": json.loads(str(self.vocabulary_)),
            "temperature": self.temperature_,
            "training": asdict(self.training_),
            "about": about or {},
        }
        model_file.save(Path(path), CLASSIFIER, values(self), state, self.network_)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SentimentClassifier:
        """Read what `save` wrote.

        Raises:
            RefrainError: the file is missing, damaged, or of another kind.
        """
        with model_file.reading(Path(path), CLASSIFIER) as found:
            made = cls(**found.options)
            state = found.state
            made.classes_ = np.array(state["classes"])
            made.cell_ = state["cell"]
            made.network_ = found.network
            made.vocabulary_ = Vocabulary.of(
                json.dumps(state["vocabulary"]), made.max_length
            )
            made.temperature_ = float(state["temperature"])
            made.training_ = _training(state["training"])
            made.about_ = dict(state["about"])
        return made

    def predict_lines(
        self, file: Path | None, standard_input: Iterable[str], words: bool = False
    ) -> Iterator[str]:
        """A JSON object a text, with its `contributions` if wanted."""
        if file is None:
            texts: Iterable[list[str]] = ([text] for text in lines_of(standard_input))
        else:
            texts = [self._read(file, labelled=False).texts]
        for some in texts:
            for text, row in zip(some, self.predict_proba(some), strict=True):
                best = int(row.argmax())
                answer = {
                    "label": self.classes_[best].item(),
                    "probability": round(float(row[best]), 4),
                    "text": text,
                }
                if words:
                    parts = self.contributions(text)
                    answer["words"] = [[word, round(x, 4)] for word, x in parts]
                yield json.dumps(answer, ensure_ascii=False)

    def evaluate_file(self, file: Path) -> dict[str, float]:
        """Accuracy and the like; see `registry.Job`."""
        found = self._read(file, labelled=True)
        return self.evaluate(found.texts, found.labels or []).figures

    def _read(self, file: Path, labelled: bool) -> Texts:
        columns = self.about_.get("text"), self.about_.get("label")
        return read_texts(file, *columns, labelled)


def _training(kept: dict[str, Any]) -> Training:
    lists = {name: tuple(kept[name]) for name in ("loss", "validation_loss")}
    return Training(**{**kept, **lists})


def _texts(texts: Iterable[str]) -> list[str]:
    if isinstance(texts, str):
        raise DataError("expected a list of texts, received one text; put it in a list")
    found = list(texts)
    for k, text in enumerate(found):
        if not isinstance(text, str):
            raise DataError(f"text {k}: expected a string, received {text!r}")
    return found


def _classes(
    texts: Sequence[str], labels: Iterable[Any]
) -> tuple[np.ndarray, np.ndarray]:
    """The labels, sorted, and the index of each text's."""
    given = np.asarray(list(labels))
    if len(given) != len(texts):
        raise DataError(f"received {len(texts)} texts and {len(given)} labels")
    if not len(given):
        raise DataError("expected texts and their labels, received none")
    if given.ndim != 1 or given.dtype.kind not in "USbiuf":
        raise DataError("expected one label a text: a string, number or truth value")
    classes, truth, counts = np.unique(given, return_inverse=True, return_counts=True)
    if len(classes) < 2:
        raise DataError(
            f"expected two labels or more, received only {classes[0].item()!r}"
        )
    if counts.min() < 2:
        rare = classes[counts.argmin()].item()
        raise DataError(
            f"{len(classes)} labels in {len(given)} texts: {rare!r} occurs "
            "once; expected each twice at least, to learn from and to stop by"
        )
    return classes, truth
