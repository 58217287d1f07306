"""Rules that make a graph smaller without changing its meaning.

Applied before planning: a cell without bias has zeros in its equations, and a
derived gradient has ones and repeated signs.
"""

from __future__ import annotations

import numpy as np

from refrain.graph.graph import Graph, constant, rewrite
from refrain.graph.node import Node, Op
from refrain.graph.ops import OPS, SUMS, op

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
    if name == "add" and _can_join(*operands):
        return _added(*operands)
    by_number = name == "divide" and operands[0].shape and not operands[1].shape
    if by_number and values[1] is None:
        # One division for a sample instead of one for each unit.
        return op("multiply", operands[0], op("divide", 1.0, operands[1]))
    if node.op in SUMS and operands[0].op is not OPS["negative"]:
        return _sum(node.op, operands[0])
    return _unsigned(node.op, operands)


def _can_join(a: Node, b: Node) -> bool:
    """Whether both are sums, or both are means, over as many units."""
    same = a.op is b.op and a.op in SUMS
    return same and a.inputs[0].shape == b.inputs[0].shape


def _added(a: Node, b: Node) -> Node:
    """a + b; one sum over units where they are two."""
    if _can_join(a, b):
        return _sum(a.op, op("add", a.inputs[0], b.inputs[0]))
    return op("add", a, b)


def _sum(kind: Op, vector: Node) -> Node:
    """Its sum or mean over units, without terms that are zero in all."""
    kept = _summed(vector)
    return constant(0.0) if kept is None else op(kind.name, kept)


def _summed(node: Node) -> Node | None:
    """The terms of a vector that its sum over units is of; None where it is zero."""
    if _centred(node):
        return None
    name, operands = node.op.name, node.inputs
    if name not in ("add", "subtract") or any(o.shape != node.shape for o in operands):
        return node
    a, b = map(_summed, operands)
    if b is None:
        return a
    if a is None:
        return b if name == "add" else op("negative", b)
    return node if (a, b) == operands else op(name, a, b)


def _centred(node: Node) -> bool:
    """Whether it is a vector less its own mean, or that times a number."""
    match node.op.name, node.inputs:
        case "subtract", (vector, mean):
            return mean.op is OPS["mean"] and mean.inputs[0] is vector
        case "multiply", (a, b):
            return (_centred(a) and _one(b)) or (_centred(b) and _one(a))
        case "divide", (a, b):
            return _centred(a) and _one(b)
    return False


def _one(node: Node) -> bool:
    """Whether all units have the same number."""
    return not node.shape or node.op is OPS["broadcast"]


def _unsigned(kind: Op, operands: tuple[Node, ...]) -> Node | None:
    """--a is a; a sum of -a is - the sum of a; what is added or subtracted has no sign.

    -a - b is -(a + b), as what is added can be one sum.
    """
    minus = [o.op is OPS["negative"] for o in operands]
    if not any(minus):
        return None
    bare = [o.inputs[0] if m else o for o, m in zip(operands, minus, strict=True)]
    if kind is OPS["negative"]:
        return bare[0]
    if kind in SUMS:
        return op("negative", _sum(kind, *bare))
    if kind not in (OPS["add"], OPS["subtract"]):
        return None
    a, b = bare
    signs = [minus[0], minus[1] != (kind is OPS["subtract"])]
    if signs == [False, False]:
        return _added(a, b)
    if signs == [True, True]:
        return op("negative", _added(a, b))
    return op("subtract", a, b) if signs[1] else op("subtract", b, a)
