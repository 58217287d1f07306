"""What the gradients of weights are made of: products and sums over samples and steps.

A left operand that dropout scales by a mask which stays the same over time is gathered
without its mask; the mask then scales the sum of a sample's steps, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from refrain.errors import GraphError
from refrain.graph.dropout import is_dropout_mask
from refrain.graph.graph import Graph
from refrain.graph.node import Node, building
from refrain.graph.ops import OPS, op
from refrain.plan.program import Part


class Outer(NamedTuple):
    """One product of a weight's gradient: (scale * left) ᵀ @ right."""

    left: Node
    scale: Node | None
    right: Node


def outer_of(node: Node) -> Outer:
    """The operands of an `outer` node, a dropout mask taken out of the left one."""
    left, right = node.inputs
    if left.op is OPS["multiply"]:
        for value, mask in (left.inputs, left.inputs[::-1]):
            if is_dropout_mask(mask):
                return Outer(value, mask, right)
    return Outer(left, None, right)


def weight_gradients(
    gradient: Graph, parts: Mapping[str, Part]
) -> tuple[list[tuple[Outer, Part]], list[tuple[Node, Part]]]:
    """Products for the gradients of matrices, and summands for those of vectors.

    Args:
        gradient: of one step, simplified.
        parts: where each weight leaf lies.
    """
    products: list[tuple[Outer, Part]] = []
    sums: list[tuple[Node, Part]] = []
    for name, part in parts.items():
        if name not in gradient.leaves:
            continue
        pending = [gradient.results[f"grad_{name}"]]
        if pending[0].op is OPS["constant"] and part.shape:
            pending = [_zeros(gradient, gradient.leaves[name])]
        if len(part.shape) < 2:
            (node,) = pending
            sums.append((node.inputs[0] if node.op is OPS["sum"] else node, part))
            continue
        while pending:
            node = pending.pop()
            if node.op is OPS["add"]:
                pending += node.inputs
            elif node.op is OPS["outer"]:
                products.append((outer_of(node), part))
            else:
                raise GraphError(f"{gradient.name}: grad_{name} is {node.op.name}")
    return products, sums


def _zeros(gradient: Graph, weight: Node) -> Node:
    """The gradient of a weight that decides choices and nothing else."""
    entering = {
        leaf.shape: leaf
        for name, leaf in gradient.leaves.items()
        if name == "x" or name.endswith("_prev")
    }
    rows, columns = weight.shape[:-1], weight.shape[-1:]
    with building(tuple(gradient.nodes())):
        zeros = op("broadcast", 0.0, entering.get(columns, weight))
        return op("outer", entering[rows], zeros) if rows else zeros
