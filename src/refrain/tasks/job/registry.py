"""Which class reads which kind of model file, for `refrain predict` and `evaluate`."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from refrain.errors import RefrainError
from refrain.tasks.job.file import kind_of


class Job(Protocol):
    """What the commands need of a trained job."""

    def predict_lines(
        self, file: Path | None, standard_input: Iterable[str]
    ) -> Iterator[str]:
        """Predictions for a file, or for standard input where it is None, as lines."""
        ...

    def evaluate_file(self, file: Path) -> dict[str, float]:
        """Figures by name, of predictions against the truth in a file."""
        ...


# By the kind in the file: the module and the class, imported when asked for.
KINDS = {
    "text classifier": ("refrain.tasks.text.classifier", "SentimentClassifier"),
    "forecaster": ("refrain.tasks.forecast.forecaster", "Forecaster"),
}


def load(path: Path) -> Job:
    """The trained job in a file, whatever its kind.

    Raises:
        RefrainError: the file is missing or damaged, or its kind is not known.
    """
    kind = kind_of(path)
    if kind not in KINDS:
        raise RefrainError(f"{path}: a {kind}, which this version does not know")
    module, name = KINDS[kind]
    return getattr(importlib.import_module(module), name).load(path)
