"""Bidirectional networks in chunks: backwards from some frames ahead, not from the end.

The forward direction goes on from chunk to chunk; the backward one begins anew, a
look-ahead behind each chunk, from a state of zeros. Source: Zhang et al. 2016,
"Highway long short-term memory RNNs for distant speech recognition", section 4,
arXiv 1510.08983.
"""

from __future__ import annotations

import copy
import hashlib
from functools import cached_property
from typing import Any

import numpy as np

from refrain.errors import StreamError
from refrain.network.cut import cut
from refrain.network.records import Network
from refrain.stream.seal import sealed, unsealed
from refrain.stream.stepper import Stepper, network_from, told_as_stream_errors
from refrain.stream.stream import Engine, Stream

_MERGES = {
    "concat": lambda ahead, back: np.concatenate((ahead, back), axis=-1),
    "sum": np.add,
    "mul": np.multiply,
    "ave": lambda ahead, back: (ahead + back) / np.float32(2),
}


class Chunks:
    """A network with bidirectional layers that takes a sequence piece by piece.

    `refrain.stream.open_chunks` makes it. It serves one thread at a time.

    Attributes:
        chunk: frames that are answered together.
        lookahead: frames behind a chunk that have to come first.
        sessions: sequences that go on together, or None for one alone.
    """

    def __init__(
        self,
        model: Any,
        chunk: int,
        lookahead: int,
        sessions: int | None,
        weights: str,
    ):
        for name, count, least in (("chunk", chunk, 1), ("lookahead", lookahead, 0)):
            if type(count) is not int or count < least:
                raise StreamError(
                    f"{name}: expected {least} or more, received {count!r}"
                )

        def opened(network: Network) -> Stream:
            return Stream(Engine(Stepper.of_network(network), sessions, weights))

        with told_as_stream_errors():
            first, turns = cut(network_from(model))
            # In the order in which they run: before all turns, then two in each.
            self._carried = [opened(first)]
            for turn in turns:
                self._carried += [opened(turn.forward), opened(turn.behind)]
            self._backward = [opened(turn.backward) for turn in turns]
        self._merges = [_MERGES[turn.merge_mode] for turn in turns]
        self.chunk, self.lookahead, self.sessions = chunk, lookahead, sessions
        self.reset()

    def run(self, sequence: Any) -> np.ndarray:
        """Take more frames.

        Args:
            sequence: `(timesteps, features)`, or `(timesteps,)` whole numbers; as
                many as have come, one alone or none too.

        Returns:
            `(ready, outputs)`, a new array: the outputs of the next chunks whose
            look-ahead has come, in order. With N sessions every shape begins with N.
        """
        come = self._carried[0].run(sequence)
        self._waiting = np.concatenate((self._waiting, come), axis=-2)
        return self._answers(self.chunk + self.lookahead)

    def flush(self) -> np.ndarray:
        """End the sequence: the outputs of all frames that wait.

        Another sequence begins after it.
        """
        answers = self._answers(1)
        self.reset()
        return answers

    def reset(self) -> None:
        """Forget everything: another sequence begins."""
        for stream in self._carried:
            stream.reset()
        first = self._carried[0]
        lead = () if self.sessions is None else (self.sessions,)
        self._waiting = np.zeros((*lead, 0, first.outputs), np.float32)

    def fork(self) -> Chunks:
        """Another one that goes on from the same frames; weights are shared."""
        other = copy.copy(self)
        other._carried = [stream.fork() for stream in self._carried]
        other._backward = [stream.fork() for stream in self._backward]
        return other

    def state(self) -> bytes:
        """States and waiting frames, to be restored in this or another process."""
        states = [stream.state() for stream in self._carried]
        return sealed(b"".join([self._digest, *states, self._waiting.tobytes()]))

    def restore(self, state: bytes) -> None:
        """Go on from what `state` returned.

        Raises:
            StreamError: it is damaged, or belongs to another network, other weights or
                another number of sessions.
        """
        body = unsealed(state)
        if not body.startswith(self._digest):
            raise StreamError("the state belongs to another network or other weights")
        body = body[len(self._digest) :]
        restored = [stream.fork() for stream in self._carried]
        for stream in restored:
            size = len(stream.state())
            stream.restore(body[:size])
            body = body[size:]
        *lead, _, width = self._waiting.shape
        self._carried = restored
        self._waiting = np.frombuffer(body, np.float32).reshape(*lead, -1, width)

    @cached_property
    def _digest(self) -> bytes:
        digests = [s.digest for s in (*self._carried, *self._backward)]
        return hashlib.sha256(b"".join(digests) + f"{self.sessions}".encode()).digest()

    def _answers(self, least: int) -> np.ndarray:
        """Outputs of chunk after chunk while at least so many frames wait."""
        answers = []
        while self._waiting.shape[-2] >= least:
            answers.append(self._answer())
            self._waiting = self._waiting[..., self.chunk :, :]
        *lead, _, _ = self._waiting.shape
        none = np.zeros((*lead, 0, self._carried[-1].outputs), np.float32)
        return np.concatenate([none, *answers], axis=-2)

    def _answer(self) -> np.ndarray:
        """Outputs of the next chunk, of the frames that wait and its look-ahead."""
        window = self._waiting[..., : self.chunk + self.lookahead, :]
        for forward, backward, merge, behind in zip(
            self._carried[1::2],
            self._backward,
            self._merges,
            self._carried[2::2],
            strict=True,
        ):
            backward.reset()
            back = backward.run(window[..., ::-1, :])[..., ::-1, :]
            window = self._looking_ahead(forward, window)
            window = self._looking_ahead(behind, merge(window, back))
        return window[..., : self.chunk, :]

    def _looking_ahead(self, stream: Stream, window: np.ndarray) -> np.ndarray:
        """Outputs for a window; the stream goes on by the chunk alone."""
        now = stream.run(window[..., : self.chunk, :])
        later = stream.fork().run(window[..., self.chunk :, :])
        return np.concatenate((now, later), axis=-2)
