"""A network as records: its inputs, its layers with their weights, and who reads whom.

Exporters and streams read these; whoever makes them knows where a model comes from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refrain.cells import SizedCell
from refrain.errors import ExportError
from refrain.graph.graph import Graph
from refrain.runtime.driver import Request, step_graph

Arrays = Mapping[str, np.ndarray]
Key = tuple[str, int]  # a layer, and which of its outputs


def refusal(name: str, kind: str, reason: str) -> ExportError:
    """The error for a layer that cannot be part of a network."""
    return ExportError(f"the layer {name} ({kind}) cannot be exported: {reason}")


@dataclass(frozen=True)
class Layer:
    """A layer to be written: its name, class, settings and weights."""

    name: str
    kind: str
    config: Mapping[str, Any]
    weights: Sequence[np.ndarray] = ()

    @property
    def mixes_steps(self) -> bool:
        """A step of its output follows more than that step of its input."""
        along_time = self.kind == "Concatenate" and self.config.get("axis") == 1
        return along_time or self.kind in _MIXING

    def refuse(self, reason: str) -> ExportError:
        """The error for what cannot be exported."""
        return refusal(self.name, self.kind, reason)

    def expect(self, setting: str, *known: Any) -> Any:
        """A setting that has to have one of some values."""
        value = self.config.get(setting, known[0])
        if value not in known:
            raise self.refuse(f"{setting}={value!r}")
        return value


_MIXING = {
    *("Flatten", "Reshape", "RepeatVector", "Permute"),
    *("GlobalAveragePooling1D", "GlobalMaxPooling1D"),
}


@dataclass(frozen=True)
class Loop:
    """A cell over a sequence.

    Attributes:
        sized: the cell.
        features: size of its input.
        weights: float32, an array for each weight leaf (`W.i`).
        against_time: from the last step to the first.
        zero_output_for_mask: the output of a skipped step is zero, and not that of
            the step before.
    """

    sized: SizedCell
    features: int
    weights: Arrays
    against_time: bool = False
    zero_output_for_mask: bool = False

    def states(self, masked: bool) -> dict[str, int]:
        """Names and sizes of what goes from step to step."""
        request = self._request(masked)
        sizes = dict(zip(self.sized.cell.states, self.sized.state_size, strict=True))
        _, names = step_graph(request)
        return {n: sizes.get(n, self.sized.output_size) for n in names}

    def graph(self, masked: bool) -> Graph:
        """The equations of one step."""
        return step_graph(self._request(masked))[0]

    def _request(self, masked: bool) -> Request:
        kind = "zero" if self.zero_output_for_mask else "hold"
        return Request(self.sized, self.features, mask=kind if masked else None)


@dataclass(frozen=True)
class Direction:
    """A recurrent layer, or one direction of a bidirectional one.

    Attributes:
        name: the layer's name.
        loops: its cells, in the order in which they run in a step; the first reads
            the sequence, against time or not.
        return_sequences, return_state: what leaves it, as in Keras.
    """

    name: str
    loops: Sequence[Loop]
    return_sequences: bool
    return_state: bool

    @property
    def against_time(self) -> bool:
        """Reads the sequence from its end."""
        return self.loops[0].against_time


@dataclass(frozen=True)
class Entry:
    """An input of a network.

    Attributes:
        name: the input's name.
        shape: sizes after the batch; None for the number of steps.
        vocabulary: how many numbers there are to choose from, for whole numbers.
    """

    name: str
    shape: tuple[int | None, ...]
    vocabulary: int | None = None


@dataclass(frozen=True)
class Both:
    """A bidirectional layer."""

    name: str
    forward: Direction
    backward: Direction
    merge_mode: str | None


@dataclass(frozen=True)
class EachStep:
    """A layer applied to every step on its own."""

    name: str
    inner: Layer


@dataclass(frozen=True)
class Call:
    """A layer, what enters it, and the first states if others give them."""

    layer: Layer | Direction | Both | EachStep
    inputs: tuple[Key, ...]
    first: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Network:
    """Layers in an order in which each follows what it reads."""

    name: str
    entries: tuple[Entry, ...]
    calls: tuple[Call, ...]
    outputs: tuple[Key, ...]
