"""What the gradients of weights are made of: products and sums over samples and steps.

A left operand that dropout scales by a mask which stays the same over time is gathered
without its mask; the mask then scales the sum of a sample's steps, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from refrain.errors import GraphError
from refrain.graph.dropout import is_dropout_mask
from refrain.graph.graph import Graph, leaf
from refrain.graph.node import Node, building
from refrain.graph.ops import OPS, op
from refrain.plan.idle import is_zero
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


class Summands(NamedTuple):
    """What the gradients of weights are sums of, over samples and steps.

    Attributes:
        products: for matrices.
        vectors: for vectors and numbers, and a row of zeros for a matrix that no
            gradient reaches.
        rows: for matrices of which rows are looked up: an index, and its row.
    """

    products: list[tuple[Outer, Part]]
    vectors: list[tuple[Node, Part]]
    rows: list[tuple[Node, Node, Part]]


def weight_gradients(gradient: Graph, parts: Mapping[str, Part]) -> Summands:
    """What each weight's gradient is a sum of.

    Args:
        gradient: of one step, simplified.
        parts: where each weight leaf lies.
    """
    found = Summands([], [], [])
    for name, part in parts.items():
        if name not in gradient.leaves:
            continue
        weight, node = gradient.leaves[name], gradient.results[f"grad_{name}"]
        if len(part.shape) < 2:
            node = as_wide(node, weight)
            value = node.inputs[0] if node.op is OPS["sum"] else node
            found.vectors.append((value, part))
            continue
        if is_zero(node):
            found.vectors.append((_zeros(weight), part))
            continue
        pending = [node]
        while pending:
            node = pending.pop()
            if node.op is OPS["add"]:
                pending += node.inputs
            elif node.op is OPS["outer"]:
                found.products.append((outer_of(node), part))
            elif node.op is OPS["at_row"]:
                index, row, _ = node.inputs
                found.rows.append((index, row, part))
            else:
                raise GraphError(f"{gradient.name}: grad_{name} is {node.op.name}")
    return found


def as_wide(node: Node, entering: Node) -> Node:
    """A leaf's gradient in the size of the leaf; no gradient at all is a number, 0."""
    if node.shape == entering.shape:
        return node
    with building((node, entering)):
        return op("broadcast", node, entering)


def _zeros(weight: Node) -> Node:
    """One row of the gradient of a matrix that nothing reads, or choices alone."""
    with building(()):
        return op("broadcast", 0.0, leaf("a row", weight.shape[1:]))
