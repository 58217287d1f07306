"""Reverse mode over a graph: the gradient of one step as a graph of its own.

The gradient graph holds the forward equations too; which of their values are saved
and which are computed again is for the plan to choose.
"""

from __future__ import annotations

from collections.abc import Iterable

from refrain.errors import GraphError
from refrain.graph.graph import Graph, constant, leaf
from refrain.graph.node import BOOL, Node, building, originating
from refrain.graph.ops import op


def reverse(graph: Graph) -> Graph:
    """Derive the gradient of one step.

    Args:
        graph: one step of a cell.

    Returns:
        A graph with the leaves of `graph` and `grad_<result>` for each of its
        results, and the results `grad_<leaf>` for each of its leaves. The gradient
        of a vector or scalar weight is that of one sample; `outer` sums over
        samples by itself.
    """
    with building(tuple(graph.nodes())):
        arriving = {
            f"grad_{name}": leaf(f"grad_{name}", node.shape, node.origin)
            for name, node in graph.results.items()
        }
        gradients: dict[Node, Node] = {}
        for name, node in graph.results.items():
            _accumulate(gradients, node, arriving[f"grad_{name}"])
        for node in reversed(graph.nodes()):
            _propagate(gradients, node)
        results = {
            f"grad_{name}": gradients.get(node, constant(0.0))
            for name, node in graph.leaves.items()
        }
    return Graph(f"{graph.name} gradient", {**graph.leaves, **arriving}, results)


def _propagate(gradients: dict[Node, Node], node: Node) -> None:
    if node not in gradients or not node.inputs or node.dtype == BOOL:
        return
    with originating(node.origin):
        parts = node.op.gradient(node, gradients[node])
        if len(parts) != len(node.inputs):
            raise GraphError(f"{node.op.name}: {len(parts)} gradients")
        for operand, part in zip(node.inputs, parts, strict=True):
            if part is not None:
                _accumulate(gradients, operand, part)


def _accumulate(gradients: dict[Node, Node], node: Node, part: Node) -> None:
    if node.shape == () and part.shape != ():
        part = op("sum", part)  # the scalar had been repeated over the units
    known = gradients.get(node)
    gradients[node] = part if known is None else known + part


def weights_of(graph: Graph, states: Iterable[str]) -> list[str]:
    """Names of the leaves of a step that are neither input nor state."""
    entering = {"x", *(f"{s}_prev" for s in states)}
    return [name for name in graph.leaves if name not in entering]
