"""A chain of layers as one step: one graph, whose states are those of all cells."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from refrain.cells.define import find_activation
from refrain.derive.simplify import simplify
from refrain.errors import ExportError
from refrain.graph.graph import Graph, constant, leaf
from refrain.graph.node import Node, Shape, build, building
from refrain.graph.ops import OPS
from refrain.network.records import Both, Direction, EachStep, Layer, Loop, Network
from refrain.plan.layout import Machine
from refrain.plan.passes import Task
from refrain.plan.program import Part


def compose(network: Network) -> tuple[Task, dict[str, np.ndarray]]:
    """The step of a network that is a chain of layers, and its variables.

    Raises:
        ExportError: it is no chain, or a layer has no form as a step.
    """
    chain = _Chain(network)
    with building():
        for call in network.calls:
            chain.add(call.layer)
        return chain.task(), chain.arrays


class _Chain:
    def __init__(self, network: Network):
        self.network = network
        self.count = 0
        self.sizes: dict[str, int] = {}
        self.states: dict[str, Node] = {}
        self.leaves: dict[str, Node] = {}
        self.arrays: dict[str, np.ndarray] = {}
        names = [(e.name, 0) for e in network.entries]
        names += [(call.layer.name, 0) for call in network.calls]
        read = [call.inputs for call in network.calls] + [network.outputs]
        if read != [(name,) for name in names] or any(c.first for c in network.calls):
            raise ExportError(f"{network.name}: expected one layer after the other")
        (entry,) = network.entries
        if entry.vocabulary is not None or len(entry.shape) != 2:
            raise ExportError(f"{network.name}: expected frames of numbers as input")
        self.sizes["features"] = entry.shape[1] or 0
        with building():
            self.value = self.leaves["x"] = leaf("x", ("features",))

    def add(self, layer: Layer | Direction | Both | EachStep) -> None:
        """Put one more layer behind the others."""
        if isinstance(layer, EachStep):
            layer = layer.inner
        if isinstance(layer, Layer):
            if layer.kind not in _FORMULAS:
                raise layer.refuse("there is no rule for this class as a step")
            self.value = _FORMULAS[layer.kind](self, layer)
            return
        if not isinstance(layer, Direction) or layer.against_time:
            raise ExportError(
                f"the layer {layer.name} has no form as a step: it reads "
                "the sequence from its end"
            )
        for loop in layer.loops:
            self._add_cell(self.named(layer.name), loop)

    def _add_cell(self, name: str, loop: Loop) -> None:
        graph = simplify(loop.sized.graph)
        sizes = {size: f"{name}_{size}" for size in loop.sized.sizes}
        self.sizes |= {sizes[s]: number for s, number in loop.sized.sizes.items()}
        (sizes["features"],) = self.value.shape
        made: dict[Node, Node] = {graph.leaves["x"]: self.value}
        for node in [*graph.leaves.values(), *graph.nodes()]:
            if node in made:
                continue
            shape = tuple(sizes[size] for size in node.shape)
            if node.op is OPS["leaf"]:
                made[node] = self.leaf(
                    f"{name}_{node.attribute}",
                    shape,
                    loop.weights.get(str(node.attribute)),
                )
            elif node.op is OPS["constant"]:
                made[node] = constant(float(node.attribute or 0.0))
            else:
                made[node] = build(node.op, *(made[i] for i in node.inputs))
        for state in loop.sized.cell.states:
            self.states[f"{name}_{state}"] = made[graph.results[state]]
        self.value = made[graph.results["output"]]

    def leaf(self, name: str, shape: Shape, array: np.ndarray | None) -> Node:
        """A state, or a weight with its numbers."""
        self.leaves[name] = leaf(name, shape)
        if array is not None:
            self.arrays[name] = np.asarray(array, np.float32, order="C")
        return self.leaves[name]

    def named(self, layer: str) -> str:
        """A name for what belongs to a layer, unique and as equations allow it."""
        self.count += 1
        plain = re.sub(r"\W", "_", layer)
        return f"n{self.count}_{plain}"

    def task(self) -> Task:
        """The step as what is planned."""
        graph = Graph(
            self.network.name, self.leaves, {"output": self.value, **self.states}
        )
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
        tuple(name for name in graph.results if name != "output"),
        sizes,
        parts,
        {name: array.size for name, array in arrays.items()},
        sequence=True,
        against_time=False,
        machine=Machine(1, 16, 1),
    )


def _dense(chain: _Chain, layer: Layer) -> Node:
    kernel, *bias = layer.weights
    (rows,) = chain.value.shape
    name = chain.named(layer.name)
    columns = f"{name}_units"
    chain.sizes[columns] = kernel.shape[1]
    total = chain.value @ chain.leaf(f"{name}_kernel", (rows, columns), kernel)
    for array in bias:
        total = total + chain.leaf(f"{name}_bias", (columns,), array)
    return find_activation(layer.config.get("activation"))(total)


_FORMULAS: dict[str, Callable[[_Chain, Layer], Node]] = {
    "Dense": _dense,
    "Activation": lambda c, layer: find_activation(layer.config["activation"])(c.value),
    **dict.fromkeys(
        ("Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout", "Identity"),
        lambda c, layer: c.value,
    ),
}
