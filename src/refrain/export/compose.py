"""A chain of layers as one step: one graph, whose states are those of all cells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from refrain.cells.define import find_activation
from refrain.derive.simplify import simplify
from refrain.errors import ExportError
from refrain.export.layers import Layer
from refrain.export.loop import Loop
from refrain.export.network import Both, EachStep, Network
from refrain.export.recurrent import Direction
from refrain.graph.graph import Graph, constant, leaf
from refrain.graph.node import Node, Shape, build, building
from refrain.graph.ops import OPS
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
                raise layer.refuse("there is no rule for this class in native code")
            self.value = _FORMULAS[layer.kind](self, layer)
            return
        if not isinstance(layer, Direction) or layer.against_time:
            raise ExportError(
                f"the layer {layer.name} cannot be exported as native code: it reads "
                "the sequence from its end"
            )
        for number, loop in enumerate(layer.loops):
            self._add_cell(f"{layer.name}.{number}", loop)

    def _add_cell(self, name: str, loop: Loop) -> None:
        graph = simplify(loop.sized.graph)
        sizes = {size: f"{name}.{size}" for size in loop.sized.sizes}
        self.sizes |= {sizes[s]: number for s, number in loop.sized.sizes.items()}
        (sizes["features"],) = self.value.shape
        made: dict[Node, Node] = {graph.leaves["x"]: self.value}
        for node in [*graph.leaves.values(), *graph.nodes()]:
            if node in made:
                continue
            shape = tuple(sizes[size] for size in node.shape)
            if node.op is OPS["leaf"]:
                made[node] = self.leaf(
                    f"{name}.{node.attribute}",
                    shape,
                    loop.weights.get(str(node.attribute)),
                )
            elif node.op is OPS["constant"]:
                made[node] = constant(float(node.attribute or 0.0))
            else:
                made[node] = build(node.op, *(made[i] for i in node.inputs))
        for state in loop.sized.cell.states:
            self.states[f"{name}.{state}"] = made[graph.results[state]]
        self.value = made[graph.results["output"]]

    def leaf(self, name: str, shape: Shape, array: np.ndarray | None) -> Node:
        """A state, or a weight with its numbers."""
        self.leaves[name] = leaf(name, shape)
        if array is not None:
            self.arrays[name] = np.ascontiguousarray(array, np.float32)
        return self.leaves[name]

    def weight(self, layer: Layer, name: str, array: np.ndarray, shape: Shape) -> Node:
        """A weight of a layer without a state."""
        return self.leaf(f"{layer.name}.{name}", shape, array)

    def task(self) -> Task:
        """The step as what is planned."""
        graph = Graph(
            self.network.name, self.leaves, {"output": self.value, **self.states}
        )
        parts = {
            name: Part(name, 0, array.shape, array.shape[-1] if array.ndim else 1)
            for name, array in self.arrays.items()
        }
        return Task(
            graph,
            None,
            tuple(self.states),
            self.sizes,
            parts,
            {name: array.size for name, array in self.arrays.items()},
            sequence=True,
            against_time=False,
            machine=Machine(1, 16, 1),
        )


def _dense(chain: _Chain, layer: Layer) -> Node:
    kernel, *bias = layer.weights
    (rows,) = chain.value.shape
    columns = f"{layer.name}.units"
    chain.sizes[columns] = kernel.shape[1]
    total = chain.value @ chain.weight(layer, "kernel", kernel, (rows, columns))
    for array in bias:
        total = total + chain.weight(layer, "bias", array, (columns,))
    return find_activation(layer.config.get("activation"))(total)


_FORMULAS: dict[str, Callable[[_Chain, Layer], Node]] = {
    "Dense": _dense,
    "Activation": lambda c, layer: find_activation(layer.config["activation"])(c.value),
    **dict.fromkeys(
        ("Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout", "Identity"),
        lambda c, layer: c.value,
    ),
}
