"""Which class reads which kind of model file, for `refrain predict` and `evaluate`."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from refrain.errors import RefrainError
from refrain.tasks.job.file import kind_of


class Job(Protocol):
    """What the commands need of a trained job.

    Attributes:
        goes_on: whether it has something to predict without any data.
    """

    goes_on: ClassVar[bool]

    def predict_lines(
        self, file: Path | None, standard_input: Iterable[str], words: bool = False
    ) -> Iterator[str]:
        """Predictions as lines.

        Args:
            file: what to predict from; standard input where it is None.
            standard_input: its lines.
            words: whether to tell how much each word speaks for the prediction.

        Raises:
            OptionError: it reads no words.
        """
        ...

    def evaluate_file(self, file: Path) -> dict[str, float]:
        """Figures by name, of predictions against the truth in a file."""
        ...

    def stream(self, series: str | None = None, data: Any = None) -> JobStream:
        """The job step by step, on one of its series, from the end of newer data.

        Raises:
            OptionError: it has no series.
        """
        ...


class JobStream(Protocol):
    """What `refrain stream` needs of a job that goes on step by step."""

    def read(self, line: str) -> tuple[Any, ...] | None:
        """The arguments of `step` in a line; None where it asks for no answer."""
        ...

    def step(self, *frame: Any) -> np.ndarray:
        """Go one step on."""
        ...

    def tell(self, answer: np.ndarray) -> str:
        """An answer of `step` as a line."""
        ...

    def state(self) -> bytes:
        """What it goes on from."""
        ...

    def restore(self, state: bytes) -> None:
        """Go on from what `state` returned."""
        ...


FORECASTER, CLASSIFIER = "forecaster", "text classifier"  # as their files say it
# The module and the class of each kind, imported when asked for.
KINDS = {
    CLASSIFIER: ("refrain.tasks.text.classifier", "SentimentClassifier"),
    FORECASTER: ("refrain.tasks.forecast.forecaster", "Forecaster"),
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
