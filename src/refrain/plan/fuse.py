"""Finds the sums of products that one accumulator can gather.

`x @ W.i + h_prev @ U.i + b.i` is one accumulator: both products add to it, and the
bias is added when it is read.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from refrain.graph.node import Node
from refrain.graph.ops import OPS, PRODUCTS
from refrain.plan.program import Sum


def find_sums(
    nodes: Sequence[Node], kept: Collection[Node]
) -> dict[Node, tuple[list[Node], Sum]]:
    """Sums of products by root node, each with its products.

    Args:
        nodes: everything that a step computes.
        kept: nodes whose own value is stored; a sum may end in one, not pass it.
    """
    users: dict[Node, list[Node]] = {}
    for node in nodes:
        for operand in node.inputs:
            users.setdefault(operand, []).append(node)

    def joins(node: Node) -> bool:
        """Whether a node only serves to be added to something else."""
        read_by = users.get(node, [])
        return node not in kept and len(read_by) == 1 and read_by[0].op is OPS["add"]

    found: dict[Node, tuple[list[Node], Sum]] = {}
    for product in (n for n in nodes if n.op in PRODUCTS):
        root = product
        while joins(root):
            (root,) = users[root]
        if root in found:
            continue
        products: list[Node] = []
        others: list[Node] = []
        pending = [root]
        while pending:
            node = pending.pop()
            inside = node is root or joins(node)
            if node.op in PRODUCTS and inside:
                products.append(node)
            elif node.op is OPS["add"] and inside:
                pending += reversed(node.inputs)
            else:
                others.append(node)
        found[root] = (products, Sum(root, tuple(others)))
    return found
