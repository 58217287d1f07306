"""A network as one step: one graph, whose states are those of all its layers."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from refrain.cells.record import LARGEST_SIZE
from refrain.derive.simplify import simplify
from refrain.errors import ExportError
from refrain.graph.graph import OUTPUT, Graph, constant, leaf
from refrain.graph.node import Node, Shape, build, building
from refrain.graph.ops import OPS
from refrain.network.formulas import FORMULAS
from refrain.network.memories import MEMORIES
from refrain.network.merges import MERGES
from refrain.network.records import (
    Both,
    Call,
    Direction,
    EachStep,
    Key,
    Layer,
    Loop,
    Network,
)
from refrain.plan.layout import Machine
from refrain.plan.program import Part
from refrain.plan.task import Task


def compose(network: Network) -> tuple[Task, dict[str, np.ndarray]]:
    """The step of a network, and its variables.

    A layer that answers at the end of a sequence answers at every step with that of
    the sequence so far.

    Raises:
        ExportError: it has several inputs or outputs, or a layer has no form as a step.
    """
    with building():
        step = Step(network)
        for call in network.calls:
            step.add(call)
        return step.task(), step.arrays


class Step:
    """The equations of a step as they grow, layer by layer.

    Sizes are called by their number, so that vectors of one length fit each other.
    """

    def __init__(self, network: Network):
        self.network = network
        self.sizes: dict[str, int] = {}
        self.states: dict[str, Node] = {}
        self.leaves: dict[str, Node] = {}
        self.arrays: dict[str, np.ndarray] = {}
        self._values: dict[Key, Node] = {}
        self._count = 0
        for what, found in (("input", network.entries), ("output", network.outputs)):
            if len(found) != 1:
                raise ExportError(
                    f"{network.name}: expected one {what}, received {len(found)}"
                )
        (entry,) = network.entries
        if entry.vocabulary is not None or len(entry.shape) != 2:
            raise ExportError(f"{network.name}: expected frames of numbers as input")
        self._values[entry.name, 0] = self.leaf("x", (entry.shape[1] or 0,))

    def add(self, call: Call) -> None:
        """Put one more layer behind those that it reads."""
        layer = call.layer
        if call.first:
            raise ExportError(
                f"the layer {layer.name} has no form as a step: its first states come "
                "from another layer"
            )
        given = [self._values[key] for key in call.inputs]
        self._values[layer.name, 0] = self._result(layer, given)

    def _result(
        self, layer: Layer | Direction | Both | EachStep, given: list[Node]
    ) -> Node:
        if isinstance(layer, EachStep):
            layer = layer.inner
        if isinstance(layer, Both) or (
            isinstance(layer, Direction) and layer.against_time
        ):
            hint = "; see refrain.stream.open_chunks" if isinstance(layer, Both) else ""
            raise ExportError(
                f"the layer {layer.name} has no form as a step: it reads "
                f"the sequence from its end{hint}"
            )
        name = self._named(layer.name)
        if isinstance(layer, Direction):
            for k, loop in enumerate(layer.loops):
                given = [self._cell(f"{name}_{k}" if k else name, loop, given[0])]
            return given[0]
        if layer.kind in MERGES:
            return MERGES[layer.kind](self, name, layer, given)
        (x,) = given
        if layer.kind in MEMORIES:
            return MEMORIES[layer.kind](self, name, layer, x)
        if layer.kind not in FORMULAS:
            raise layer.refuse("there is no rule for this class as a step")
        formula = FORMULAS[layer.kind](layer)
        weights = {
            weight: self.weight(f"{name}_{weight}", array)
            for weight, array in formula.weights.items()
        }
        return formula.apply(x, **weights)

    def _cell(self, name: str, loop: Loop, x: Node) -> Node:
        graph = simplify(loop.sized.graph)
        made: dict[Node, Node] = {graph.leaves["x"]: x}
        numbers = {**loop.sized.sizes, "features": loop.features}
        for node in [*graph.leaves.values(), *graph.nodes()]:
            if node in made:
                continue
            if node.op is OPS["leaf"]:
                array = loop.weights.get(str(node.attribute))
                given = f"{name}_{node.attribute}"
                sizes = tuple(numbers[size] for size in node.shape)
                made[node] = (
                    self.leaf(given, sizes)
                    if array is None
                    else self.weight(given, array.reshape(sizes))
                )
            elif node.op is OPS["constant"]:
                made[node] = constant(float(node.attribute or 0.0))
            else:
                made[node] = build(node.op, *(made[i] for i in node.inputs))
        for state in loop.sized.cell.states:
            self.states[f"{name}_{state}"] = made[graph.results[state]]
        return made[graph.results[OUTPUT]]

    def leaf(self, name: str, sizes: tuple[int, ...]) -> Node:
        """What enters the step: its input, or a state `<name>_prev`."""
        if any(not 1 <= size <= LARGEST_SIZE for size in sizes):
            raise ExportError(f"{name}: expected sizes from 1 to {LARGEST_SIZE:,}")
        shape: Shape = tuple(f"n{size}" for size in sizes)
        self.sizes |= dict(zip(shape, sizes, strict=True))
        self.leaves[name] = leaf(name, shape)
        return self.leaves[name]

    def weight(self, name: str, array: np.ndarray) -> Node:
        """A weight with its numbers."""
        self.arrays[name] = np.asarray(array, np.float32, order="C")
        return self.leaf(name, self.arrays[name].shape)

    def size(self, value: Node) -> int:
        """How many numbers a vector of the step has."""
        (size,) = value.shape
        return self.sizes[size]

    def _named(self, layer: str) -> str:
        """A name for what belongs to a layer, unique and as equations allow it."""
        self._count += 1
        plain = re.sub(r"\W", "_", layer)
        return f"n{self._count}_{plain}"

    def task(self) -> Task:
        """The step as what is planned."""
        (output,) = self.network.outputs
        results = {OUTPUT: self._values[output], **self.states}
        graph = Graph(self.network.name, self.leaves, results)
        return task_of(graph, self.sizes, self.arrays)


def task_of(
    graph: Graph, sizes: Mapping[str, int], arrays: Mapping[str, np.ndarray]
) -> Task:
    """A step as what is planned, with one variable for each of its weights."""
    parts = {
        name: Part(name, 0, array.shape, array.shape[-1] if array.ndim else 1)
        for name, array in arrays.items()
    }
    return Task(
        graph,
        None,
        tuple(name for name in graph.results if name != OUTPUT),
        sizes,
        parts,
        {name: array.size for name, array in arrays.items()},
        sequence=True,
        against_time=False,
        machine=Machine(1, 16, 1),
        together=() if graph.moving == ("x",) else graph.moving,
    )
