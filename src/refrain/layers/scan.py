"""Runs a cell's graph over a sequence through `keras.ops`, on any backend and device.

Products of the input alone are computed for all steps before the loop. Products of
one value with all parts of a variable are one product. Gradients are the backend's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import keras
from keras import ops

from refrain.cells import SizedCell
from refrain.cells.weights import Variable
from refrain.graph.changes import EVERY, Changes, changed
from refrain.graph.graph import OUTPUT, Graph, ordered
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

    def starting_at(self, sized: SizedCell, vectors: Iterable[Tensor]) -> Weights:
        """These, and the trained vectors at which a cell's states start."""
        starts = sized.starts()
        more = {v.name: a for v, a in zip(starts, vectors, strict=True)}
        return Weights((*self.variables, *starts), {**self.arrays, **more})


class Scanned(NamedTuple):
    """Outputs `(batch, timesteps, units)`, last states, and the states of all steps.

    The last, `(batch, timesteps, size)` each, are there where they are wanted.
    """

    outputs: Tensor
    last: list[Tensor]
    every: list[Tensor]

    @classmethod
    def of(
        cls,
        sequences: Mapping[str, Tensor],
        last: Mapping[str, Tensor],
        changes: Changes,
    ) -> Scanned:
        """From what leaves at each step, by name of the result, and last states."""
        outputs = sequences[OUTPUT]
        # A state that is the output leaves as that alone.
        kept = last if changes.every_state else ()
        every = [sequences.get(f"{EVERY}{s}", outputs) for s in kept]
        return cls(outputs, list(last.values()), every)


def scan_cell(
    sized: SizedCell,
    inputs: Mapping[str, Tensor],
    states: Sequence[Tensor],
    weights: Weights,
    changes: Changes,
    *,
    against_time: bool = False,
    unroll: bool = False,
) -> Scanned:
    """Run a cell over a sequence.

    Args:
        sized: the cell.
        inputs: `x` `(batch, timesteps, features)`; whatever else the changes read, by
            leaf name: `(batch, timesteps)` or `(batch, timesteps, size)` where it
            varies in time, else `(batch, size)`.
        states: first states, each `(batch, size)`.
        weights: the cell's variables.
        changes: of the cell's equations.
        against_time: read from the last step to the first.
        unroll: write the loop out.
    """
    x, own = inputs["x"], tuple(sized.cell.states)
    graph, carried = changed(sized.graph, own, changes)
    executor = Executor(graph, weights, keras.backend.standardize_dtype(x.dtype))
    names = [f"{s}_prev" for s in carried]
    moving, still = hoisted(graph, names)
    known, before = _before_the_loop(executor, inputs, moving, still)
    if against_time:
        before = [ops.flip(value, axis=1) for value in before]
    leaving = [n for n in graph.results if n == OUTPUT or n.startswith(EVERY)]
    # TensorFlow's scan wants outputs of the carry's structure.
    like_carry = keras.backend.backend() == "tensorflow"
    kept = [*leaving, *carried] if like_carry else list(carried)

    def step(carry: Any, now: Any) -> tuple[Any, Any]:
        values = known | dict(zip(moving, now or (), strict=True))
        old = carry[len(kept) - len(names) :]
        values |= executor.leaves(dict(zip(names, old, strict=True)))
        found = dict(zip(graph.results, executor.results(values), strict=True))
        carry = [found[name] for name in kept]
        return carry, carry if like_carry else [found[name] for name in leaving]

    batch = cast(Any, ops.shape(x))[0]
    starts = dict(zip(own, states, strict=True))
    for name in (n for n in kept if n not in starts):
        (size,) = graph.results[name].shape
        starts[name] = ops.zeros((batch, sized.sizes[size]), x.dtype)
    along = [ops.swapaxes(value, 0, 1) for value in before]
    last, sequences = _loop(
        step, [starts[name] for name in kept], along, x.shape[1], unroll
    )
    last = dict(zip(kept, last, strict=True))
    sequences = dict(zip(kept if like_carry else leaving, sequences, strict=True))
    found = {name: ops.swapaxes(sequences[name], 0, 1) for name in leaving}
    return Scanned.of(found, {s: last[s] for s in own}, changes)


def _loop(
    step: Callable,
    starts: list[Tensor],
    along: list[Tensor],
    length: int | None,
    unroll: bool,
) -> Any:
    """`keras.ops.scan`; on TensorFlow it does not write the loop out by itself."""
    if not (unroll and length and keras.backend.backend() == "tensorflow"):
        # Nothing moves with time where a cell does not read its input.
        return ops.scan(step, starts, along or None, length=length, unroll=unroll or 1)
    carry, every = starts, []
    for t in range(length):
        carry, found = step(carry, [value[t] for value in along])
        every.append(found)
    return carry, [ops.stack(value) for value in zip(*every, strict=True)]


def _before_the_loop(
    executor: Executor,
    inputs: Mapping[str, Tensor],
    moving: Sequence[Node],
    still: Sequence[Node],
) -> tuple[dict[Node, Tensor], list[Tensor]]:
    """What a step reads: values that stay, and values of all steps in order."""
    along = over_time(executor.graph, inputs)
    same = {n: v for n, v in inputs.items() if n not in executor.graph.moving}
    known = executor.compute(still, executor.leaves(same))
    found = executor.compute(moving, known | executor.leaves(along))
    return known, [found[node] for node in moving]


def over_time(graph: Graph, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Inputs as `(batch, timesteps, size)`; one step long if the same at all steps."""
    found = {}
    for name, value in inputs.items():
        if name not in graph.moving:
            found[name] = value[:, None]
        else:
            found[name] = value if len(value.shape) == 3 else value[..., None]
    return found


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
