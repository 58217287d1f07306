"""Rules that make a graph smaller without changing its meaning.

Applied before planning: a cell without bias has zeros in its equations, and a
derived gradient has ones and repeated signs.
"""

from __future__ import annotations

import numpy as np

from refrain.graph.graph import Graph, constant, rewrite
from refrain.graph.node import Node
from refrain.graph.ops import OPS, op

_FOLDED = ("add", "subtract", "multiply", "divide", "negative")


def simplify(graph: Graph) -> Graph:
    """Fold constants, drop additions of 0, products with 1, choices among equals."""
    return rewrite(graph, simpler)


def simpler(node: Node, operands: tuple[Node, ...]) -> Node | None:
    """The rule of `simplify` for one node, whose rebuilt operands are given."""
    name = node.op.name
    values = [o.attribute if o.op is OPS["constant"] else None for o in operands]
    if name in _FOLDED and all(isinstance(v, float) for v in values):
        return constant(float(node.op.value(*map(np.float64, values))))
    if name in ("add", "subtract") and values[1] == 0.0:
        return operands[0]
    if name == "add" and values[0] == 0.0:
        return operands[1]
    if name in ("multiply", "divide") and values[1] == 1.0:
        return operands[0]
    if name == "multiply" and values[0] == 1.0:
        return operands[1]
    if name == "where" and operands[1] is operands[2]:
        return operands[1]
    by_number = name == "divide" and operands[0].shape and not operands[1].shape
    if by_number and values[1] is None:
        # One division for a sample instead of one for each unit.
        return op("multiply", operands[0], op("divide", 1.0, operands[1]))
    return _unsigned(name, operands)


def _unsigned(name: str, operands: tuple[Node, ...]) -> Node | None:
    """a + -b is a - b, a - -b is a + b, --a is a; a sum of -a is - the sum of a."""
    if not operands or operands[-1].op is not OPS["negative"]:
        return None
    (inner,) = operands[-1].inputs
    if name == "negative":
        return inner
    if name in ("sum", "mean"):
        return op("negative", op(name, inner))
    if name == "add":
        return op("subtract", operands[0], inner)
    if name == "subtract":
        return op("add", operands[0], inner)
    return None
