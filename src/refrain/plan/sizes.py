"""Sizes become numbers, so that a gradient keeps no value for the sake of its shape.

The gradient of a mean divides by the size of what was averaged and spreads a number
like it. Of that value nothing but the shape is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping

from refrain.graph.graph import Graph, constant, rewrite
from refrain.graph.node import Node, Shape
from refrain.graph.ops import OPS, op


def fold_sizes(graph: Graph, sizes: Mapping[str, int]) -> Graph:
    """Numbers in place of sizes; numbers are spread like leaves, which are at hand."""
    like: dict[Shape, Node] = {}
    for leaf in graph.leaves.values():
        like.setdefault(leaf.shape, leaf)

    def rule(node: Node, operands: tuple[Node, ...]) -> Node | None:
        if node.op is OPS["size"]:
            return constant(float(sizes[operands[0].shape[0]]))
        if node.op is OPS["broadcast"]:
            number, shaped = operands
            return op("broadcast", number, like.get(shaped.shape, shaped))
        return None

    return rewrite(graph, rule)
