"""A network one step at a time, its states kept: microseconds a step, no framework.

`open` takes a Keras model, `load` a file that `Stream.save` wrote, for a process
without Keras.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from refrain.stream.stepper import Stepper
from refrain.stream.stream import Engine, Stream

__all__ = ["Stream", "load", "open"]


def open(model: Any) -> Stream:  # noqa: A001
    """Open a stream of a live Keras model.

    Args:
        model: a built model with one input and one output, of layers that
            docs/stream.md lists. The weights are copied.

    Raises:
        StreamError: the model cannot run step by step; the message says why.
    """
    return Stream(Engine(Stepper.of(model)))


def load(path: str | os.PathLike[str]) -> Stream:
    """Open a stream from a file that `Stream.save` wrote; needs no Keras.

    Raises:
        StreamError: it is no such file, or it is damaged.
    """
    return Stream(Engine(Stepper.read(Path(path))))
