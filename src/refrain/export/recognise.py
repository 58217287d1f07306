"""Which of ONNX's recurrent nodes a cell is, by its equations and not by its name.

The formulas are those of the operators LSTM, GRU and RNN in ONNX's specification.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from refrain.cells import SizedCell
from refrain.derive.simplify import simplify
from refrain.export.match import (
    Activation,
    Affine,
    Found,
    Reader,
    activations,
    form,
    matches,
    terms,
)
from refrain.graph.evaluate import Arrays
from refrain.graph.graph import OUTPUT
from refrain.graph.node import Node
from refrain.graph.ops import OPS


@dataclass(frozen=True)
class KnownCell:
    """A cell as one of ONNX's recurrent nodes.

    Attributes:
        op: `LSTM`, `GRU` or `RNN`.
        kernel: `(gates * units, features)`, gates in ONNX's order.
        recurrent_kernel: `(gates * units, units)`.
        bias: `(2 * gates * units,)`, of the input's products, then of the state's.
        peepholes: `(3 * units,)`, or None.
        activations: of the gates, in ONNX's order.
        states: names of the states in ONNX's order: h, c.
        attributes: `linear_before_reset`, `input_forget`.
    """

    op: str
    kernel: np.ndarray
    recurrent_kernel: np.ndarray
    bias: np.ndarray
    peepholes: np.ndarray | None
    activations: tuple[Activation, ...]
    states: tuple[str, ...]
    attributes: dict[str, int] = field(default_factory=dict)

    def alike(self, other: KnownCell) -> bool:
        """Whether one node can run both, each in its direction."""
        shapes = [
            (k.op, k.recurrent_kernel.shape, k.peepholes is None, k.attributes)
            for k in (self, other)
        ]
        return shapes[0] == shapes[1]


def recognise(sized: SizedCell, features: int, weights: Arrays) -> KnownCell | None:
    """The node that computes what a cell computes, or None.

    Args:
        sized: the cell.
        features: size of its input.
        weights: an array for each weight leaf (`W.i`).
    """
    return next(_Step(sized, features, weights).readings(), None)


# What is open in a form is named as in ONNX's formulas.
_LSTM_COUPLED = form(lambda p: p.i * p.g + (1.0 - p.i) * p.c_prev)
_LSTM = form(lambda p: p.f * p.c_prev + p.i * p.g)
_LSTM_OUTPUT = form(lambda p: p.o * p.squashed)
_GRU = (
    form(lambda p: (1.0 - p.z) * p.n + p.z * p.h_prev),
    form(lambda p: p.n + p.z * (p.h_prev - p.n)),
)


class _Step:
    """One step of a cell, and what it can be read as."""

    def __init__(self, sized: SizedCell, features: int, weights: Arrays):
        self.features = features
        self.graph = simplify(sized.graph)
        self.states = dict(zip(sized.cell.states, sized.state_size, strict=True))
        self.x = self.graph.leaves["x"]
        # The state that leaves the cell is what ONNX calls h.
        output = self.graph.results[OUTPUT]
        self.h = next((s for s in self.states if self.graph.results[s] is output), "")
        self.units = self.states.get(self.h, 0)
        self.reader = Reader(self.graph, weights, self.units)

    def readings(self) -> Iterator[KnownCell]:
        """All that the step can be read as."""
        if not self.h or set(self.states.values()) != {self.units}:
            return
        h_new, h_prev = self.graph.results[self.h], self.graph.leaves[f"{self.h}_prev"]
        if len(self.states) == 2:
            yield from self._lstm(h_new, h_prev)
        elif len(self.states) == 1:
            yield from self._gru(h_new, h_prev)
            yield from self._rnn(h_new, h_prev)

    def _lstm(self, h_new: Node, h_prev: Node) -> Iterator[KnownCell]:
        (c,) = set(self.states) - {self.h}
        c_new, c_prev = self.graph.results[c], self.graph.leaves[f"{c}_prev"]
        for coupled, pattern in ((1, _LSTM_COUPLED), (0, _LSTM)):
            for inner in matches(pattern, c_new, {"c_prev": c_prev}):
                for found in matches(_LSTM_OUTPUT, h_new, inner):
                    # Of a coupled gate ONNX reads i alone and takes f as 1 - i.
                    gates = {**found, "f": found["i"]} if coupled else found
                    yield from self._lstm_of(gates, (h_prev, c_prev, c_new), c, coupled)

    def _lstm_of(
        self, found: Found, values: tuple[Node, ...], c: str, coupled: int
    ) -> Iterator[KnownCell]:
        h_prev, c_prev, c_new = values
        squashing = [a for a, x in activations(found["squashed"]) if x is c_new]
        gates: dict[str, tuple[Activation, Affine]] = {}
        for gate, peeked in (("i", c_prev), ("o", c_new), ("f", c_prev), ("g", None)):
            scaled = () if peeked is None else (peeked,)
            reading = self._gate(found[gate], (self.x, h_prev), scaled)
            if reading is None:
                return
            gates[gate] = reading
        kinds = {gates[g][0] for g in ("i", "o", "f")}
        if not squashing or len(kinds) != 1:
            return
        ordered = [gates[g][1] for g in ("i", "o", "f", "g")]
        peepholes = [
            sums.diagonal(peeked)
            for sums, peeked in zip(ordered, (c_prev, c_new, c_prev), strict=False)
        ]
        yield self._known(
            "LSTM",
            ordered,
            h_prev,
            activations=(*kinds, gates["g"][0], squashing[0]),
            states=(self.h, c),
            peepholes=_joined(peepholes) if np.any(peepholes) else None,
            attributes={"input_forget": 1} if coupled else {},
        )

    def _gru(self, h_new: Node, h_prev: Node) -> Iterator[KnownCell]:
        for pattern in _GRU:
            for found in matches(pattern, h_new, {"h_prev": h_prev}):
                update = self._gate(found["z"], (self.x, h_prev))
                for activation, inside in activations(found["n"]):
                    for reset, candidate, recurrent in self._candidates(inside, h_prev):
                        gate = self._gate(reset, (self.x, h_prev))
                        if update is None or gate is None or update[0] != gate[0]:
                            continue
                        yield self._known(
                            "GRU",
                            [update[1], gate[1], candidate],
                            h_prev,
                            activations=(update[0], activation),
                            states=(self.h,),
                            recurrent=recurrent,
                            attributes={
                                "linear_before_reset": int(recurrent is not candidate)
                            },
                        )

    def _candidates(
        self, inside: Node, h_prev: Node
    ) -> Iterator[tuple[Node, Affine, Affine]]:
        """Ways to read a GRU's candidate: the reset gate, and two sums.

        The first sum is of the input's part. The second is the state's part: another
        one where the reset comes after the product, the same one with the state's
        matrix in it where the reset comes before.
        """
        summands = list(terms(inside))
        for k, (sign, node) in enumerate(summands):
            rest = [*summands[:k], *summands[k + 1 :]]
            if node.op is OPS["multiply"] and sign > 0:
                for reset, back in (node.inputs, node.inputs[::-1]):
                    recurrent = self.reader.affine(list(terms(back)), (h_prev,))
                    candidate = self.reader.affine(rest, (self.x,))
                    if recurrent and candidate:
                        yield reset, candidate, recurrent
            if node.op is OPS["matmul"] and node.inputs[0].op is OPS["multiply"]:
                product = node.inputs[0]
                for reset, state in (product.inputs, product.inputs[::-1]):
                    if state is h_prev:
                        both = self.reader.affine(summands, (self.x, product))
                        if both:
                            both.products[h_prev] = both.products.pop(product)
                            yield reset, both, both

    def _rnn(self, h_new: Node, h_prev: Node) -> Iterator[KnownCell]:
        reading = self._gate(h_new, (self.x, h_prev))
        if reading is not None:
            activation, sums = reading
            yield self._known("RNN", [sums], h_prev, (activation,), (self.h,))

    def _gate(
        self, node: Node, multiplied: Sequence[Node], scaled: Sequence[Node] = ()
    ) -> tuple[Activation, Affine] | None:
        """A gate as an activation of a sum."""
        for activation, inside in activations(node):
            sums = self.reader.affine(list(terms(inside)), multiplied, scaled)
            if sums is not None:
                return activation, sums
        return None

    def _known(
        self,
        name: str,
        gates: Sequence[Affine],
        h_prev: Node,
        activations: tuple[Activation, ...],
        states: tuple[str, ...],
        recurrent: Affine | None = None,
        **rest,
    ) -> KnownCell:
        """The node's arrays; `recurrent` holds the state's part of the last gate."""
        back = [*gates[:-1], recurrent or gates[-1]]
        own = recurrent is not None and recurrent is not gates[-1]
        state_bias = [np.zeros(self.units)] * (len(gates) - 1)
        state_bias.append(back[-1].constant() if own else np.zeros(self.units))
        return KnownCell(
            name,
            _joined(g.matrix(self.x, self.features).T for g in gates),
            _joined(g.matrix(h_prev, self.units).T for g in back),
            _joined([*(g.constant() for g in gates), *state_bias]),
            rest.pop("peepholes", None),
            activations,
            states,
            **rest,
        )


def _joined(parts: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate(list(parts)).astype(np.float32)
