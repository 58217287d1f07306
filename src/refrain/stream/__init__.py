"""A network one step at a time, its states kept: microseconds a step, no framework.

`open` takes a Keras model, `load` a file, for a process without Keras; `open_chunks`
takes either where layers read a sequence from its end, too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from refrain.emit.llvm.storage import FLOAT32, STORAGES
from refrain.stream.chunks import Chunks
from refrain.stream.stepper import Stepper
from refrain.stream.stream import Engine, Stream

__all__ = ["STORAGES", "Chunks", "Stream", "load", "open", "open_chunks"]


def open(  # noqa: A001
    model: Any,
    sessions: int | None = None,
    weights: str = FLOAT32,
    threads: int = 1,
) -> Stream:
    """Open a stream of a live Keras model.

    Args:
        model: a built model with one input and one output, of layers that
            docs/stream.md lists. The weights are copied.
        sessions: sequences that go on together, each with its own states; without it
            one alone, whose frames have no axis for them.
        weights: how matrices are stored, `float32`, `bfloat16` or `int8`: fewer bits
            take less time where a network is too large for the nearest cache, and
            cost accuracy. All is computed in float32.
        threads: 2 for a second thread that shares each step, where weights are too
            large for one processor's cache; to the same numbers.

    Raises:
        StreamError: the model cannot run step by step; the message says why.
    """
    return Stream(Engine(Stepper.of(model), sessions, weights, threads))


def load(
    path: str | os.PathLike[str],
    sessions: int | None = None,
    weights: str = FLOAT32,
    threads: int = 1,
) -> Stream:
    """Open a stream from a file; needs no Keras.

    Args:
        path: a `.keras` file of a model that `open` would take, or any file that
            `Stream.save` wrote, which is smaller and quicker to read.
        sessions, weights, threads: as for `open`.

    Raises:
        StreamError: it is no such file, it is damaged, or the model cannot run step by
            step.
    """
    file = Path(path)
    read = Stepper.of if file.suffix == ".keras" else Stepper.read
    return Stream(Engine(read(file), sessions, weights, threads))


def open_chunks(
    model: Any,
    chunk: int,
    lookahead: int,
    sessions: int | None = None,
    weights: str = FLOAT32,
) -> Chunks:
    """Open a network with bidirectional layers, to answer while a sequence comes.

    The backward direction of each chunk begins `lookahead` frames behind it, and not
    at the end of the sequence. So an answer waits for `chunk + lookahead - 1` frames at
    most, and is that of the whole sequence only where a window reaches its end.

    Args:
        model: a built Keras model, or the path of a `.keras` file; layers one behind
            the other as far as they are bidirectional, with `return_sequences=True`.
        chunk: frames that are answered together.
        lookahead: frames behind a chunk that the backward direction begins with.
        sessions, weights: as for `open`.

    Raises:
        StreamError: the model has no form in chunks; the message says why.
    """
    of_file = isinstance(model, (str, os.PathLike))
    return Chunks(
        Path(model) if of_file else model, chunk, lookahead, sessions, weights
    )
