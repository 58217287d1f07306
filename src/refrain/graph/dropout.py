"""Dropout as a change of the equations, so that every path runs it alike.

A product of the input reads `x * dropout`, a product of a state reads
`state * recurrent_dropout`. The masks are leaves that stay the same over time
(variational dropout, Gal and Ghahramani 2016, 1512.05287), one for all gates or one a
gate, as Keras draws them. They are drawn in the size of the first state: products of
vectors of another size, such as a projection's, are not dropped.
"""

from __future__ import annotations

from refrain.graph.graph import Graph, leaf, rewrite
from refrain.graph.node import Node, build
from refrain.graph.ops import OPS, PRODUCTS

DROPOUT, RECURRENT_DROPOUT = "dropout", "recurrent_dropout"


def is_dropout_mask(node: Node) -> bool:
    """Whether a node is a mask, the same at all steps."""
    kind = str(node.attribute).partition(".")[0]
    return node.op is OPS["leaf"] and kind in (DROPOUT, RECURRENT_DROPOUT)


def with_dropout(graph: Graph, masks: set[str]) -> Graph:
    """The graph with dropout masks in its products.

    Args:
        graph: one step of a cell.
        masks: names of the mask leaves, `dropout` or `dropout.<gate>`, and the same
            with `recurrent_dropout`; products without a mask stay as they are.
    """
    first = next(n for name, n in graph.leaves.items() if name.endswith("_prev"))
    kinds = {first.shape: RECURRENT_DROPOUT, ("features",): DROPOUT}

    def rule(node: Node, operands: tuple[Node, ...]) -> Node | None:
        if node.op not in PRODUCTS or node.inputs[0].shape not in kinds:
            return None
        left, right = operands
        kind = kinds[left.shape]
        gate = str(right.attribute).partition(".")[2]
        for name in (f"{kind}.{gate}", kind):
            if name in masks:
                return build(node.op, left * leaf(name, left.shape), right)
        return None

    return rewrite(graph, rule) if masks else graph
