"""Which class reads which kind of model file, for `refrain predict` and `evaluate`."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from refrain.errors import OptionError, RefrainError
from refrain.tasks.job.file import kind_of


class Job(Protocol):
    """What the commands need of a trained job.

    Attributes:
        goes_on: whether it has something to predict without any data.
    """

    goes_on: ClassVar[bool]

    def predict_lines(
        self, file: Path | None, standard_input: Iterable[str]
    ) -> Iterator[str]:
        """Predictions for a file, or for standard input where it is None, as lines."""
        ...

    def evaluate_file(self, file: Path) -> dict[str, float]:
        """Figures by name, of predictions against the truth in a file."""
        ...

    def stream(self) -> JobStream:
        """The job step by step."""
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


FORECASTER, CLASSIFIER = "forecaster", "text classifier"
# By the kind in the file: the module and the class, imported when asked for.
KINDS = {
    CLASSIFIER: ("refrain.tasks.text.classifier", "SentimentClassifier"),
    FORECASTER: ("refrain.tasks.forecast.forecaster", "Forecaster"),
}


def open_stream(path: Path, series: str | None = None) -> JobStream:
    """The trained job in a file, step by step.

    Args:
        path: the file.
        series: of a forecaster that was trained on several.

    Raises:
        RefrainError: as `load`, or the job cannot go on step by step.
    """
    kind = kind_of(path)
    if series is not None and kind != FORECASTER:
        raise OptionError(f"--series: {path} is no {FORECASTER}")
    job = _load(path, kind)
    if series is None:
        return job.stream()
    return job.stream(series)  # pyright: ignore[reportCallIssue]


def load(path: Path) -> Job:
    """The trained job in a file, whatever its kind.

    Raises:
        RefrainError: the file is missing or damaged, or its kind is not known.
    """
    return _load(path, kind_of(path))


def _load(path: Path, kind: str) -> Job:
    if kind not in KINDS:
        raise RefrainError(f"{path}: a {kind}, which this version does not know")
    module, name = KINDS[kind]
    return getattr(importlib.import_module(module), name).load(path)
