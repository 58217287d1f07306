"""A stream: a compiled step, and the states that it goes on from.

A step is one call of native code on memory that the stream owns. After the first
nothing is allocated, compiled or locked.
"""

from __future__ import annotations

import ctypes
import os
import reprlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from refrain.emit.llvm.storage import FLOAT32, STORAGES
from refrain.emit.llvm.vectors import Target
from refrain.errors import StreamError
from refrain.runtime.compile import Library
from refrain.runtime.memory import empty
from refrain.runtime.standalone import Standalone, compile_step
from refrain.stream.assistant import Assistant
from refrain.stream.fold import folded
from refrain.stream.seal import sealed, unsealed
from refrain.stream.stepper import Stepper

_POINTER = ctypes.c_void_p
_STEP = ctypes.CFUNCTYPE(None, *[_POINTER] * 4)
_RUN = ctypes.CFUNCTYPE(None, *[_POINTER] * 3, ctypes.c_size_t, _POINTER)
_LEAD = ctypes.CFUNCTYPE(None, *[_POINTER] * 3, ctypes.c_int64, *[_POINTER] * 2)
_ASSIST = ctypes.CFUNCTYPE(None, _POINTER)
_NAME = "stream"


class Engine:
    """What all streams of one network share: code and weights, which nobody writes."""

    def __init__(
        self,
        stepper: Stepper,
        sessions: int | None = None,
        weights: str = FLOAT32,
        threads: int = 1,
    ):
        if weights not in STORAGES:
            raise StreamError(
                f"weights: expected {', '.join(STORAGES)}, received {weights!r}"
            )
        if sessions is not None and (type(sessions) is not int or sessions < 1):
            raise StreamError(f"sessions: expected 1 or more, received {sessions!r}")
        if threads not in (1, 2):
            raise StreamError(f"threads: expected 1 or 2, received {threads!r}")
        target = replace(Target.host("float32"), weights=weights)
        run = folded(stepper)
        made = compile_step(
            _NAME,
            run.task,
            run.arrays,
            target,
            inside=False,
            sessions=sessions or 1,
            team=threads == 2,
        )
        library = Library(made.code, target)
        self.stepper = stepper
        self.table = run.table
        self.sessions = sessions
        self.target = target
        self.made: Standalone = made
        self.step = _STEP(library.address(f"{_NAME}_step"))
        self.run = _RUN(library.address(f"{_NAME}_run"))
        self.team = None
        if threads == 2:
            kinds = {"lead": _LEAD, "assist": _ASSIST}
            both = (k(library.address(f"{_NAME}_{n}")) for n, k in kinds.items())
            self.team = tuple(both)
        self.weights = _zeros(made.weights.numbers.size)
        self.weights[:] = made.weights.numbers

    @cached_property
    def digest(self) -> bytes:
        """Of the network with its weights; its states bear it."""
        return self.stepper.digest(self.target.weights)


class Stream:
    """A network that takes one frame after the other.

    `refrain.stream.open` and `refrain.stream.load` make streams. One stream serves one
    thread at a time; `fork` makes more of them, which share the weights.

    Attributes:
        features: numbers in a frame; None where a frame is one whole number, the index
            of a word.
        outputs: numbers that leave a step.
        sessions: sequences that go on together; None for one alone. With N of them,
            every shape below begins with N.
    """

    def __init__(self, engine: Engine):
        self._engine = engine
        table = engine.table
        self.features = engine.made.features if table is None else None
        self.outputs = engine.made.outputs
        self.sessions = engine.sessions
        self._lead = () if engine.sessions is None else (engine.sessions,)
        self._shape = (*self._lead, engine.made.features)
        self._memory = _zeros(engine.made.memory.size)
        self._x = _zeros(*self._shape)
        self._y = _zeros(*self._lead, self.outputs)
        self._names: tuple[Any, ...] = ()
        first = int(engine.stepper.padding)
        self._known = range(0) if table is None else range(first, len(table))
        arrays = (self._memory, engine.weights, self._x, self._y)
        memory, weights, x, y = (_POINTER(a.ctypes.data) for a in arrays)
        if engine.team:
            lead, assist = engine.team
            assisted = Assistant(assist).during
            self._go = partial(assisted, lead, memory, weights, x, 1, y)
            self._run = partial(assisted, lead, memory, weights)
        else:
            self._go = partial(engine.step, memory, weights, x, y)
            self._run = partial(engine.run, memory, weights)

    @property
    def digest(self) -> bytes:
        """Differs from that of every other network, and of other weights."""
        return self._engine.digest

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
        try:
            self._x[:] = frame
        except (TypeError, ValueError):  # an array of texts, say
            raise _no_numbers(frame, self.features) from None
        self._go()
        return self._y

    def predict_one(self, x: Mapping[Any, float]) -> float | list[float]:
        """Go one step on from named numbers, as River calls its models.

        Args:
            x: `features` numbers by name. The first call gives their order; a later one
                may have them in another. Where the network begins with an embedding,
                one whole number.

        Returns:
            The output: a number, or a list where there are several.

        Raises:
            StreamError: the names are not those of the first call.
        """
        names = self._names or tuple(x)
        if self.sessions is not None or set(x) != set(names):
            expected = "one session" if self.sessions else f"the names {list(names)}"
            raise StreamError(f"expected {expected}, received {list(x)}")
        frame = [x[name] for name in names]
        is_word = self.features is None and len(frame) == 1
        answer = self.step(frame[0] if is_word else frame).tolist()
        self._names = names
        return answer if len(answer) > 1 else answer[0]

    def run(self, sequence: Any) -> np.ndarray:
        """Go on by a whole sequence.

        Args:
            sequence: `(timesteps, features)`, or `(timesteps,)` whole numbers.

        Returns:
            `(timesteps, outputs)`, a new array.
        """
        if self.features is None:
            x = self._words(sequence)
        else:
            x = _numbers(sequence, self.features)
        steps = x.shape[-2] if x.ndim > 1 else 0
        if x.shape != (*self._lead, steps, self._shape[-1]):
            axes = (*self._lead, "timesteps", *filter(None, [self.features]))
            expected = ", ".join(map(str, axes))
            raise StreamError(
                f"expected a sequence of shape ({expected}), received "
                f"{np.shape(sequence)}"
            )
        y = np.empty((*x.shape[:-1], self.outputs), np.float32)
        self._run(x.ctypes.data, steps, y.ctypes.data)
        return y

    def reset(self, session: int | None = None) -> None:
        """Forget everything: all states are zero again, or those of one session.

        Raises:
            StreamError: there is no such session.
        """
        if session is None:
            self._memory[:] = 0.0
            return
        count = self.sessions or 1
        if not 0 <= session < count:
            raise StreamError(
                f"expected a session from 0 to {count - 1}, received {session!r}"
            )
        memory = self._engine.made.memory
        for name, width in memory.widths.items():
            first = memory.offsets[name] + session * width
            self._memory[first : first + width] = 0.0

    def fork(self) -> Stream:
        """Another stream that goes on from the same states; weights are shared."""
        other = Stream(self._engine)
        other._memory[:] = self._memory
        return other

    def state(self) -> bytes:
        """The states, to be restored exactly in this or another process."""
        kept = self._memory[: self._engine.made.memory.state].tobytes()
        return sealed(self._engine.digest + kept)

    def restore(self, state: bytes) -> None:
        """Go on from states that `state` returned.

        Raises:
            StreamError: they are damaged, or those of another network, or of another
                number of sessions.
        """
        engine, body = self._engine, unsealed(state)
        if not body.startswith(engine.digest):
            raise StreamError("the state belongs to another network or other weights")
        kept = np.frombuffer(body[len(engine.digest) :], np.float32)
        if kept.size != engine.made.memory.state:
            raise StreamError("the state is one of another number of sessions")
        self._memory[: kept.size] = kept

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the network, without its states, for `refrain.stream.load`.

        Raises:
            StreamError: the path ends like that of a file of Keras's.
            RefrainError: the file cannot be written.
        """
        file = Path(path)
        if file.suffix == ".keras":
            raise StreamError(
                f"{file}: what is saved is no file for Keras; expected another suffix, "
                "such as .step"
            )
        self._engine.stepper.write(file)
        return file

    def _checked(self, frame: Any) -> np.ndarray:
        if self.features is None:
            if type(frame) is int and self.sessions is None and frame in self._known:
                table: Any = self._engine.table
                return table[frame]  # without making an array of it
            found = self._words(frame)
        else:
            found = _numbers(frame, self.features)
        if found.shape != self._shape:
            expected, shape = self._shape, found.shape
            if self.features is None:
                expected, shape = expected[:-1], shape[:-1]
            word = "" if expected else ", one whole number"
            raise StreamError(
                f"expected a frame of shape {expected}{word}, received {shape}"
            )
        return found

    def _words(self, numbers: Any) -> np.ndarray:
        """The rows of the embedding's table for numbers in any shape."""
        table: Any = self._engine.table
        first = self._known.start
        try:
            found = np.asarray(numbers)
        except ValueError:  # lists of several lengths
            raise _no_numbers(numbers, self.features) from None
        if not found.size:
            return np.empty((*found.shape, table.shape[1]), np.float32)
        whole = found.dtype.kind in "iu"
        if not whole or ((found < first) | (found >= len(table))).any():
            wrong = found[(found < first) | (found >= len(table))] if whole else found
            shown = wrong.ravel().tolist()[0]
            reason = "; 0 is padding, which a stream has not" if shown == 0 else ""
            raise StreamError(
                f"expected a whole number from {first} to {len(table) - 1}, received "
                f"{shown!r}{reason}"
            )
        return np.ascontiguousarray(table[found])


def _numbers(given: Any, features: int | None) -> np.ndarray:
    """What is given as float32, if it is numbers: None and texts are not."""
    try:
        found = np.asarray(given)
        if found.dtype.kind in "biufV":  # V: bfloat16
            return np.asarray(found, np.float32, order="C")
    except (TypeError, ValueError):  # lists of several lengths
        pass
    raise _no_numbers(given, features)


def _no_numbers(given: Any, features: int | None) -> StreamError:
    expected = "whole numbers" if features is None else f"frames of {features} numbers"
    return StreamError(f"expected {expected}, received {reprlib.repr(given)}")


def _zeros(*shape: int) -> np.ndarray:
    made = empty(shape, np.dtype(np.float32))
    made[:] = 0.0
    return made
