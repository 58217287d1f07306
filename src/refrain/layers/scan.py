"""Runs a cell's graph over a sequence through `keras.ops`, on any backend and device.

Products of the input alone are computed for all steps before the loop. Products of
one value with all parts of a variable are one product. Gradients are the backend's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from refrain.cells import SizedCell
from refrain.cells.define import Variable
from refrain.graph.dropout import INPUT, with_dropout
from refrain.graph.graph import Graph, ordered
from refrain.graph.hoist import hoisted
from refrain.graph.node import Node
from refrain.graph.ops import OPS
from refrain.layers.rules import matmul, rule_of

Tensor = Any


class Weights(NamedTuple):
    """A cell's variables and how they are packed."""

    variables: Sequence[Variable]
    arrays: Mapping[str, Tensor]

    def values(self) -> dict[str, Tensor]:
        """One array a leaf of the graph."""
        found: dict[str, Tensor] = {}
        for variable in self.variables:
            found |= variable.unpack(self.arrays[variable.name])
        return found


def scan_cell(
    sized: SizedCell,
    x: Tensor,
    states: Sequence[Tensor],
    weights: Weights,
    *,
    mask: Tensor | None = None,
    dropout: Mapping[str, Tensor] | None = None,
    zero_output_for_mask: bool = False,
    unroll: bool = False,
) -> tuple[Tensor, list[Tensor]]:
    """Run a cell over a sequence.

    Args:
        sized: the cell.
        x: `(batch, timesteps, features)`.
        states: first states, each `(batch, size)`.
        weights: the cell's variables.
        mask: `(batch, timesteps)`, false where a step is skipped: the states stay,
            and the output is that of the step before, or zero before the first one.
        dropout: masks by leaf name (see `graph.dropout`), each `(batch, size)`.
        zero_output_for_mask: the output of a skipped step is zero.
        unroll: write the loop out.

    Returns:
        Outputs `(batch, timesteps, units)` and the last states.
    """
    dropout = dropout or {}
    graph = with_dropout(sized.graph, set(dropout))
    executor = Executor(graph, weights, keras.backend.standardize_dtype(x.dtype))
    names = [f"{s}_prev" for s in sized.cell.states]
    moving, still = hoisted(graph, names)
    known = executor.compute(still, executor.leaves(dropout))
    along = {n: m[:, None] for n, m in dropout.items() if n.startswith(INPUT)}
    before = executor.compute(moving, known | executor.leaves(along | {"x": x}))

    # TensorFlow's scan wants outputs of the carry's structure.
    like_carry = keras.backend.backend() == "tensorflow"

    def step(carry: Any, now: Any) -> tuple[Any, Any]:
        output, *old = carry
        values = known | dict(zip(moving, now["values"], strict=True))
        values |= executor.leaves(dict(zip(names, old, strict=True)))
        new_output, *new = executor.results(values)
        if mask is not None:
            kept = ops.zeros_like(output) if zero_output_for_mask else output
            new_output = ops.where(now["mask"], new_output, kept)
            new = [ops.where(now["mask"], n, o) for n, o in zip(new, old, strict=True)]
        carry = [new_output, *new]
        return carry, carry if like_carry else carry[:1]

    shape: Any = ops.shape(x)
    first = ops.zeros((shape[0], sized.output_size), dtype=x.dtype)
    steps: dict[str, Any] = {"values": [ops.swapaxes(before[n], 0, 1) for n in moving]}
    if mask is not None:
        steps["mask"] = ops.expand_dims(ops.swapaxes(mask, 0, 1), -1)
    scanned: Any = ops.scan(
        step, [first, *states], steps, length=x.shape[1], unroll=unroll or 1
    )
    (_, *last), (outputs, *_) = scanned
    return ops.swapaxes(outputs, 0, 1), list(last)


class Executor:
    """Computes nodes of a graph with `keras.ops`."""

    def __init__(self, graph: Graph, weights: Weights, dtype: str):
        self.graph = graph
        self.dtype = dtype
        self.weights = weights
        self.parts = self.leaves(weights.values())
        self.shared = _shared_products(graph, weights.variables)

    def leaves(self, values: Mapping[str, Tensor]) -> dict[Node, Tensor]:
        """Values by leaf node instead of by name; names that no node reads drop."""
        found = self.graph.leaves
        return {found[n]: v for n, v in values.items() if n in found}

    def results(self, known: Mapping[Node, Tensor]) -> list[Tensor]:
        """The graph's results."""
        targets = list(self.graph.results.values())
        values = self.compute(targets, known)
        return [values[n] for n in targets]

    def compute(
        self, targets: Sequence[Node], known: Mapping[Node, Tensor]
    ) -> dict[Node, Tensor]:
        """All values up to the targets, from the weights and those known."""
        values = {**self.parts, **known}
        for node in ordered(targets, stop=values):
            if node not in values:
                self._compute(node, values)
        return values

    def _compute(self, node: Node, values: dict[Node, Tensor]) -> None:
        if node.op is OPS["constant"]:
            values[node] = ops.convert_to_tensor(node.attribute, dtype=self.dtype)
            return
        if node in self.shared:
            variable, products = self.shared[node]
            whole = matmul(values[node.inputs[0]], self.weights.arrays[variable])
            width = whole.shape[-1] // len(products)
            for k, product in enumerate(products):
                values[product] = whole[..., k * width : (k + 1) * width]
            return
        values[node] = rule_of(node)(*(values[i] for i in node.inputs))


def _shared_products(
    graph: Graph, variables: Sequence[Variable]
) -> dict[Node, tuple[str, list[Node]]]:
    """Products of one value with every gate's part of a variable, gates in order."""
    found: dict[Node, tuple[str, list[Node]]] = {}
    products = [n for n in graph.nodes() if n.op is OPS["matmul"]]
    for variable in variables:
        if len(variable.weights) != 1:
            continue
        ((name, weight),) = variable.weights.items()
        names = [f"{name}.{gate}" for gate in weight.gates]
        parts = [graph.leaves[n] for n in names if n in graph.leaves]
        for left in dict.fromkeys(p.inputs[0] for p in products):
            by_part = {p.inputs[1]: p for p in products if p.inputs[0] is left}
            group = [by_part[p] for p in parts if p in by_part]
            if len(group) == len(names) > 1:
                found |= dict.fromkeys(group, (variable.name, group))
    return found
