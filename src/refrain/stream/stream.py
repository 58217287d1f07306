"""A stream: a compiled step, and the states that it goes on from.

A step is one call of native code on memory that the stream owns. After the first
nothing is allocated, compiled or locked.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from refrain.emit.llvm.vectors import Target
from refrain.errors import StreamError
from refrain.runtime.compile import Library
from refrain.runtime.memory import empty
from refrain.runtime.standalone import Standalone, compile_step
from refrain.stream.stepper import Stepper

_POINTER = ctypes.c_void_p
_STEP = ctypes.CFUNCTYPE(None, *[_POINTER] * 4)
_RUN = ctypes.CFUNCTYPE(None, *[_POINTER] * 3, ctypes.c_size_t, _POINTER)
_NAME = "stream"
_HEAD = b"refrain state 1\n"


class Engine:
    """What all streams of one network share: code and weights, which nobody writes."""

    def __init__(self, stepper: Stepper):
        target = Target.host("float32")
        made = compile_step(_NAME, stepper.task, stepper.arrays, target, inside=False)
        library = Library(made.code, target)
        self.stepper = stepper
        self.made: Standalone = made
        self.step = _STEP(library.address(f"{_NAME}_step"))
        self.run = _RUN(library.address(f"{_NAME}_run"))
        self.weights = _zeros(made.weights.numbers.size)
        self.weights[:] = made.weights.numbers

    @cached_property
    def digest(self) -> bytes:
        """What states of this network bear."""
        return self.stepper.digest()


class Stream:
    """A network that takes one frame after the other.

    `refrain.stream.open` and `refrain.stream.load` make streams. One stream serves one
    thread at a time; `fork` makes more of them, which share the weights.

    Attributes:
        features: numbers in a frame; None where a frame is one whole number, the index
            of a word.
        outputs: numbers that leave a step.
    """

    def __init__(self, engine: Engine):
        self._engine = engine
        words = engine.stepper.table is not None
        self.features = None if words else engine.made.features
        self.outputs = engine.made.outputs
        self._memory = _zeros(engine.made.memory.size)
        self._x = _zeros(engine.made.features)
        self._y = _zeros(self.outputs)
        arrays = (self._memory, engine.weights, self._x, self._y)
        self._go = partial(engine.step, *(_POINTER(a.ctypes.data) for a in arrays))
        self._shape = self._x.shape

    def step(self, frame: Any) -> np.ndarray:
        """Go one step on.

        Args:
            frame: `(features,)` numbers; a whole number where the network begins with
                an embedding.

        Returns:
            `(outputs,)` float32: the stream's own array, which the next step
            overwrites. A network that returns its last output alone gives that of the
            sequence so far.

        Raises:
            StreamError: the frame is not one of this network.
        """
        if getattr(frame, "shape", None) != self._shape or self.features is None:
            frame = self._checked(frame)
        self._x[:] = frame
        self._go()
        return self._y

    def run(self, sequence: Any) -> np.ndarray:
        """Go on by a whole sequence.

        Args:
            sequence: `(timesteps, features)`, or `(timesteps,)` whole numbers.

        Returns:
            `(timesteps, outputs)`, a new array.
        """
        engine = self._engine
        if self.features is None:
            table: Any = engine.stepper.table
            x = table[[self._index(number) for number in np.asarray(sequence).tolist()]]
        else:
            x = np.ascontiguousarray(sequence, np.float32)
        if x.ndim != 2 or x.shape[1] != engine.made.features:
            raise StreamError(
                f"expected a sequence of shape (timesteps, {engine.made.features}), "
                f"received {np.shape(sequence)}"
            )
        y = np.empty((len(x), self.outputs), np.float32)
        memory, weights = self._memory.ctypes.data, engine.weights.ctypes.data
        engine.run(memory, weights, x.ctypes.data, len(x), y.ctypes.data)
        return y

    def reset(self) -> None:
        """Forget everything: all states are zero again."""
        self._memory[:] = 0.0

    def fork(self) -> Stream:
        """Another stream that goes on from the same states; weights are shared."""
        other = Stream(self._engine)
        other._memory[:] = self._memory
        return other

    def state(self) -> bytes:
        """The states, to be restored exactly in this or another process."""
        kept = self._memory[: self._engine.made.memory.state].tobytes()
        body = self._engine.digest + kept
        return _HEAD + body + hashlib.sha256(body).digest()

    def restore(self, state: bytes) -> None:
        """Go on from states that `state` returned.

        Raises:
            StreamError: they are damaged, or those of another network.
        """
        engine, check = self._engine, hashlib.sha256().digest_size
        body, sum_ = state[len(_HEAD) : -check], state[-check:]
        if state[: len(_HEAD)] != _HEAD or hashlib.sha256(body).digest() != sum_:
            raise StreamError("expected what Stream.state returned; this is damaged")
        if body[:check] != engine.digest:
            raise StreamError("the state belongs to another network or other weights")
        self._memory[: engine.made.memory.state] = np.frombuffer(
            body[check:], np.float32
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the network, without its states, for `refrain.stream.load`."""
        self._engine.stepper.write(Path(path))
        return Path(path)

    def _checked(self, frame: Any) -> np.ndarray:
        if self.features is None:
            table: Any = self._engine.stepper.table
            return table[self._index(frame)]
        try:
            found = np.asarray(frame, np.float32)
        except (TypeError, ValueError):
            raise StreamError(
                f"expected {self.features} numbers, received {frame!r}"
            ) from None
        if found.shape != self._shape:
            raise StreamError(
                f"expected a frame of shape ({self.features},), received {found.shape}"
            )
        return found

    def _index(self, number: Any) -> int:
        table: Any = self._engine.stepper.table
        try:
            index = number.__index__()
        except AttributeError:
            index = -1
        first = int(self._engine.stepper.padding)
        if not first <= index < len(table):
            reason = "; 0 is padding, which a stream has not" if index == 0 else ""
            raise StreamError(
                f"expected a whole number from {first} to {len(table) - 1}, received "
                f"{number!r}{reason}"
            )
        return index


def _zeros(count: int) -> np.ndarray:
    made = empty((count,), np.dtype(np.float32))
    made[:] = 0.0
    return made
