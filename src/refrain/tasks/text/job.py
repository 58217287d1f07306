"""From a file of labelled texts to a judged classifier: what the command runs.

Part of the rows is held out before anything looks at them; the network and the linear
baseline learn from the others and are judged on it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from refrain.errors import DataError
from refrain.files import make_folder
from refrain.study.train import Progress
from refrain.tasks.job.options import values
from refrain.tasks.text.classifier import SentimentClassifier
from refrain.tasks.text.measures import Judgement, judge, linear_baseline
from refrain.tasks.text.options import TextJob, TextOptions
from refrain.tasks.text.reading import Texts
from refrain.tasks.text.split import split

TYPICAL = 12


@dataclass(frozen=True)
class Mistake:
    """A text of the part held out that got another label than its own."""

    text: str
    truth: str
    predicted: str
    probability: float


@dataclass(frozen=True)
class Outcome:
    """What a training made, and how good it is.

    Attributes:
        classifier: trained.
        rows: texts to learn from, to stop by, and held out.
        counts: texts of each label in the file.
        judgement, baseline: of the network and of the linear model, on the texts held
            out.
        mistakes: those of which the network was surest, the surest first.
    """

    classifier: SentimentClassifier
    rows: tuple[int, int, int]
    counts: dict[str, int]
    judgement: Judgement
    baseline: Judgement
    mistakes: Sequence[Mistake]

    @property
    def advice(self) -> tuple[str, ...]:
        """What to use instead, where the linear model is better."""
        rows = (self.judgement, self.baseline)
        network, linear = (judgement.figures["accuracy"] for judgement in rows)
        if network >= linear:
            return ()
        return ("The linear model is better on these texts; it is the better choice.",)


def train_classifier(
    found: Texts,
    job: TextJob,
    report: Callable[[str, Progress], None] = lambda *_: None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoints: Path | None = None,
    trials: int = 0,
) -> Outcome:
    """Train a classifier on texts and judge it on those held out.

    Args:
        found: texts with labels.
        job: the options.
        report, callbacks, checkpoints: see `SentimentClassifier.fit`.
        trials: of a search for units, layers, learning rate and dropout.

    Raises:
        DataError: texts and labels cannot be learnt from.
    """
    labels = np.array(found.labels)
    classes, truth, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(classes) < 2:
        raise DataError(
            f"expected two labels or more in the column {found.label_column!r}, "
            f"received only {classes[0].item()!r}"
        )
    if counts.min() < 3:
        raise DataError(
            f"the column {found.label_column!r} holds {len(classes)} labels in "
            f"{len(labels)} rows: {classes[counts.argmin()].item()!r} occurs "
            f"{counts.min()} times; expected each 3 times at least, to learn from, to "
            "stop by and to be judged by (--label chooses another column)"
        )
    learnt, held = split(truth, job.held_out, job.seed)
    texts = [found.texts[k] for k in learnt]
    held_texts = [found.texts[k] for k in held]
    options = _estimator_options(job)
    if trials:
        options |= _tuned(options, trials, (texts, labels[learnt]), report, checkpoints)
    classifier = SentimentClassifier(**options).fit(
        texts,
        labels[learnt],
        report=report,
        callbacks=callbacks,
        checkpoints=checkpoints,
    )
    probabilities = classifier.predict_proba(held_texts)
    linear = linear_baseline(texts, truth[learnt])
    stopped_by = len(split(truth[learnt], job.validation, job.seed)[1])
    return Outcome(
        classifier,
        (len(learnt) - stopped_by, stopped_by, len(held)),
        dict(zip(classes.tolist(), counts.tolist(), strict=True)),
        judge(truth[held], probabilities),
        judge(truth[held], linear.predict_proba(held_texts)),
        _mistakes(held_texts, truth[held], probabilities, classes),
    )


def _estimator_options(job: TextJob) -> dict[str, Any]:
    """The options that the classifier has, without those of the file."""
    names = [field.name for field in dataclasses.fields(TextOptions)]
    return {name: value for name, value in values(job).items() if name in names}


def _tuned(
    options: dict[str, Any],
    trials: int,
    data: tuple[Sequence[str], Any],
    report: Callable[[str, Progress], None],
    checkpoints: Path | None,
) -> dict[str, Any]:
    """The best options of a search, by the loss on the validation part."""
    # Here: optuna is needed for a search alone.
    from refrain.tasks.job.tune import Range, network_space, tune

    space = network_space(dropout=Range(0.3, 0.7))
    folder = None if checkpoints is None else make_folder(checkpoints)

    def score(number: int, tried: dict[str, Any]) -> float:
        kept = None if folder is None else folder / f"trial-{number}"
        model = SentimentClassifier(**{**options, **tried})
        model.fit(
            *data,
            report=lambda name, p: report(f"trial {number + 1}: {name}", p),
            checkpoints=kept,
        )
        return min(model.training_.validation_loss)

    return tune(space, score, trials, options["seed"], folder)[0].options


def _mistakes(
    texts: Sequence[str], truth: np.ndarray, probabilities: np.ndarray, classes: Any
) -> list[Mistake]:
    chosen = probabilities.argmax(axis=1)
    surest = probabilities.max(axis=1)
    wrong = np.flatnonzero(chosen != truth)
    wrong = wrong[np.argsort(-surest[wrong], kind="stable")][:TYPICAL]
    return [
        Mistake(
            texts[k],
            str(classes[truth[k]]),
            str(classes[chosen[k]]),
            float(surest[k]),
        )
        for k in map(int, wrong)
    ]
