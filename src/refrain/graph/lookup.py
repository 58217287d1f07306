"""One-hot input as a change of the equations: its products become rows of matrices.

A sequence of words that goes through an embedding is a sequence of one-hot vectors. The
product of the embedding with a matrix is then computed once a word instead of once a
step, and a step looks its row up.
"""

from __future__ import annotations

from dataclasses import replace

from refrain.graph.graph import INPUT, Graph, rewrite
from refrain.graph.node import Node
from refrain.graph.ops import OPS, op

FEATURES = "features"


def reads_products(graph: Graph) -> bool:
    """Whether a step reads products of the input with weights, and nothing else of it.

    The weights are not read in any other way either.
    """
    x = graph.leaves[INPUT]
    as_wide = {leaf for leaf in graph.leaves.values() if FEATURES in leaf.shape}
    for node in graph.nodes():
        product = node.op is OPS["matmul"] and node.inputs[0] is x
        if product and node.inputs[1] in as_wide:
            continue
        if any(operand in as_wide for operand in node.inputs):
            return False
    return True


def with_lookup(graph: Graph) -> Graph:
    """The graph with an input of one number: the index of a one-hot vector.

    Args:
        graph: one step of a cell, one that `reads_products`.
    """
    x = graph.leaves[INPUT]
    index = replace(x, shape=())  # by the same name, but no longer a vector

    def rule(node: Node, operands: tuple[Node, ...]) -> Node | None:
        if node is x:
            return index
        return op("row", *operands) if x in node.inputs else None

    return rewrite(graph, rule)
