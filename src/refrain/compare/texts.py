"""The contest of texts: recurrent networks against a linear model on labelled texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from refrain.compare.contest import Contest, Scored
from refrain.compare.record import Confusion, Entry, Metric
from refrain.errors import DataError
from refrain.study.candidates import Candidate
from refrain.tasks.text.measures import judge, linear_baseline, softmax
from refrain.tasks.text.options import LAST, TextOptions
from refrain.tasks.text.reading import Texts, read_texts
from refrain.tasks.text.split import split
from refrain.tasks.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    import keras

TEST_SHARE, VALIDATION_SHARE = 0.2, 0.1
LEAST_OF_A_LABEL = 3  # one each to learn from, to stop by, and to be judged by
LOOKED_AT = 8  # texts that memory is measured on
METRICS = (
    Metric("accuracy", "share of texts that get their label", more=True),
    Metric("macro F1", "mean over the labels of F1", more=True),
    Metric("AUC", "area under the curve, one label against the others", more=True),
    Metric("log loss", "mean of -log of the probability of the right label"),
)
_FIGURES = {"accuracy": "accuracy", "f1": "macro F1", "auc": "AUC"}
_FIGURES["log_loss"] = "log loss"


def text_contest(
    file: str,
    text: str | None = None,
    label: str | None = None,
    max_texts: int = 4000,
    max_length: int = 60,
    split_seed: int = 0,
) -> Contest:
    """Labels of texts.

    Args:
        file: CSV, JSON lines, or a folder of folders; see `reading.read_texts`.
        text, label: columns.
        max_texts: taken from all, evenly; 0 for all.
        max_length: words read of a text.
        split_seed: of the split into parts, which is the same for every network.

    Raises:
        DataError: the file cannot be read, or its labels cannot be learnt.
    """
    parts = _Parts(_thinned(read_texts(Path(file), text, label), max_texts), max_length)
    parts.cut(split_seed)
    learnt, watched, test = parts.learnt, parts.watched, parts.test
    encoded, truth = parts.encoded, parts.truth
    looked = test[-LOOKED_AT:]
    # The longest is the last, the one that is shown: it has no padding.
    looked = looked[np.argsort(encoded.lengths[looked], kind="stable")]
    longest = int(encoded.lengths[looked[-1]])
    sizes = tuple(map(len, (learnt, watched, test)))
    return Contest(
        task="text",
        title=f"{parts.texts.label_column or 'label'} of texts, {Path(file).name}",
        subtitle="texts that nobody has seen: which label was given to which",
        about=(
            f"{len(truth):,} texts, labels {', '.join(parts.classes)}",
            "training {:,}, validation {:,}, test {:,} texts".format(*sizes),
            f"{len(parts.vocabulary):,} words known, up to {max_length} read of a text",
            *parts.texts.notes,
        ),
        metrics=METRICS,
        loss="logits",
        training=(encoded.numbers[learnt], truth[learnt]),
        validation=(encoded.numbers[watched], truth[watched]),
        lengths=(encoded.lengths[learnt], encoded.lengths[watched]),
        build=parts.build,
        judge=parts.judge,
        baselines=parts.baselines(),
        exhibit=Confusion(tuple(parts.classes)),
        held_out=(encoded.numbers[looked, :longest], truth[looked]),
        facts={
            "texts": len(truth),
            "labels": list(parts.classes),
            "words": len(parts.vocabulary),
            "max_length": max_length,
            "split": dict(zip(("training", "validation", "test"), sizes, strict=True)),
        },
        packages=("numpy", "scikit-learn", "tokenizers"),
    )


def _thinned(texts: Texts, most: int) -> Texts:
    """At most so many texts, evenly from all of them."""
    count = len(texts.texts)
    if not most or count <= most:
        return texts
    rows = np.linspace(0, count - 1, most).round().astype(int)
    note = f"{most:,} of {count:,} texts used, taken evenly (--max-texts)"
    return Texts(
        [texts.texts[k] for k in rows],
        [(texts.labels or [])[k] for k in rows],
        texts.column,
        texts.label_column,
        (*texts.notes, note),
    )


class _Parts:
    """Labelled texts, as numbers, in three parts."""

    def __init__(self, texts: Texts, max_length: int):
        self.texts = texts
        self.max_length = max_length
        labels, self.truth, counts = np.unique(
            np.array(texts.labels), return_inverse=True, return_counts=True
        )
        self.classes = [str(label) for label in labels]
        if len(self.classes) < 2:
            raise DataError(
                f"expected two labels or more, received only {self.classes[0]!r}"
            )
        if counts.min() < LEAST_OF_A_LABEL:
            rare = self.classes[counts.argmin()]
            raise DataError(
                f"the label {rare!r} occurs {counts.min()} times; expected each "
                f"{LEAST_OF_A_LABEL} times at least"
            )

    def cut(self, seed: int) -> None:
        """Split into parts; words are known from the training part."""
        rest, self.test = split(self.truth, TEST_SHARE, seed)
        learnt, watched = split(self.truth[rest], VALIDATION_SHARE, seed)
        self.learnt, self.watched = rest[learnt], rest[watched]
        options = TextOptions()
        self.vocabulary = Vocabulary.learn(
            [self.texts.texts[k] for k in self.learnt],
            options.tokens,
            options.vocabulary,
            options.min_count,
            self.max_length,
        )
        self.encoded = self.vocabulary.encode(self.texts.texts)

    def build(self, candidate: Candidate, units: int) -> keras.Model:
        """Embedding, one recurrent layer, and a dense layer on its last output.

        Returns:
            Model from numbers of words `(batch, timesteps)` to `(batch, labels)`
            logits.
        """
        from refrain.tasks.text.network import text_network

        options = TextOptions(units=units, pooling=LAST)
        return text_network(options, candidate, len(self.vocabulary), len(self.classes))

    def judge(self, model: keras.Model) -> Scored:
        """Figures and confusions on the test part."""
        from refrain.study.train import predict

        logits = predict(model, self.encoded.numbers[self.test])
        return self._scored(softmax(logits.astype(float)))

    def baselines(self) -> tuple[Entry, ...]:
        """The most frequent label, and a linear model of the words' frequencies."""
        texts, truth = self.texts.texts, self.truth
        shares = np.bincount(truth[self.learnt]) / len(self.learnt)
        linear = linear_baseline([texts[k] for k in self.learnt], truth[self.learnt])
        answers = {
            ("frequent", "most frequent"): np.tile(shares, (len(self.test), 1)),
            ("linear", "TF-IDF linear"): linear.predict_proba(
                [texts[k] for k in self.test]
            ),
        }
        found = [(*names, self._scored(rows)) for names, rows in answers.items()]
        return tuple(Entry(k, n, j.scores, shown=j.shown) for k, n, j in found)

    def _scored(self, probabilities: np.ndarray) -> Scored:
        found = judge(self.truth[self.test], probabilities)
        scores = {_FIGURES[name]: value for name, value in found.figures.items()}
        return Scored(scores, found.confusion)
