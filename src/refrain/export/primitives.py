"""How ONNX computes each primitive, with the interpreter's meaning.

Most are one operator. Where ONNX has none, a formula that is exact near zero stands
in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from refrain.export.writer import FLOAT, Name, Writer
from refrain.graph.graph import ordered
from refrain.graph.node import Node
from refrain.graph.ops import OPS

Rule = Callable[..., Name]


def _operator(op: str) -> Rule:
    return lambda w, *operands: w.add(op, *operands)


def _over_units(op: str) -> Rule:
    return lambda w, x: w.add(op, x, w.integers(-1), keepdims=1)


def _expm1(w: Writer, x: Name) -> Name:
    # exp(x) - 1 = tanh(x / 2) (exp(x) + 1), which loses nothing near 0.
    half = w.add("Tanh", w.add("Mul", x, w.number(0.5)))
    return w.add("Mul", half, w.add("Add", w.add("Exp", x), w.number(1.0)))


def _log1p(w: Writer, x: Name) -> Name:
    # log(1 + x) = 2 atanh(x / (2 + x)), which loses nothing near 0.
    small = w.add("Atanh", w.add("Div", x, w.add("Add", x, w.number(2.0))))
    near = w.add("Less", w.add("Abs", x), w.number(0.5))
    far = w.add("Log", w.add("Add", x, w.number(1.0)))
    return w.add("Where", near, w.add("Mul", small, w.number(2.0)), far)


def _size(w: Writer, x: Name) -> Name:
    size = w.add("Cast", w.add("Shape", x, start=-1), to=FLOAT)
    return w.add("Unsqueeze", size, w.integers(0))


def _transposed(w: Writer, x: Name) -> Name:
    return w.add("Transpose", x, perm=[1, 0])


RULES: dict[str, Rule] = {
    "add": _operator("Add"),
    "subtract": _operator("Sub"),
    "multiply": _operator("Mul"),
    "divide": _operator("Div"),
    "negative": _operator("Neg"),
    "maximum": _operator("Max"),
    "minimum": _operator("Min"),
    "exp": _operator("Exp"),
    "expm1": _expm1,
    "log": _operator("Log"),
    "log1p": _log1p,
    "sqrt": _operator("Sqrt"),
    "tanh": _operator("Tanh"),
    "sigmoid": _operator("Sigmoid"),
    "softplus": _operator("Softplus"),
    "erf": _operator("Erf"),
    "sin": _operator("Sin"),
    "cos": _operator("Cos"),
    "abs": _operator("Abs"),
    "sign": _operator("Sign"),
    "greater": _operator("Greater"),
    "equal": _operator("Equal"),
    "where": _operator("Where"),
    "sum": _over_units("ReduceSum"),
    "mean": _over_units("ReduceMean"),
    "max": _over_units("ReduceMax"),
    "size": _size,
    "broadcast": lambda w, x, like: w.add("Expand", x, w.add("Shape", like)),
    "matmul": _operator("MatMul"),
    "matmul_transposed": lambda w, g, m: w.add("MatMul", g, _transposed(w, m)),
    "outer": lambda w, a, g: w.add("MatMul", _transposed(w, a), g),
}


def write_nodes(
    w: Writer,
    targets: Sequence[Node],
    known: Mapping[Node, Name],
    weights: Mapping[Node, np.ndarray],
) -> dict[Node, Name]:
    """Write all that the targets need; products of one value are one product.

    Args:
        w: where to.
        targets: values of a graph.
        known: names of values that are there already.
        weights: the arrays of leaves that are weights.

    Returns:
        Names of the targets and of all between.
    """
    names = dict(known)
    needed = [n for n in ordered(targets, stop=names) if n not in names]
    for node in needed:
        if node in names:
            continue
        if node in weights:
            names[node] = w.constant(weights[node], str(node.attribute))
        elif node.op is OPS["constant"]:
            names[node] = w.number(float(node.attribute or 0.0))
        elif len(group := _products_beside(node, needed, weights)) > 1:
            names |= _write_products(w, group, names[node.inputs[0]], weights)
        else:
            names[node] = RULES[node.op.name](w, *(names[i] for i in node.inputs))
    return names


def _products_beside(
    node: Node, needed: Sequence[Node], weights: Mapping[Node, np.ndarray]
) -> list[Node]:
    """All products of a value with matrices that are weights, if the node is one."""
    return [
        n
        for n in needed
        if node.op is n.op is OPS["matmul"]
        and n.inputs[0] is node.inputs[0]
        and {node.inputs[1], n.inputs[1]} <= set(weights)
    ]


def _write_products(
    w: Writer, group: Sequence[Node], left: Name, weights: Mapping[Node, np.ndarray]
) -> dict[Node, Name]:
    matrices = [weights[n.inputs[1]] for n in group]
    whole = w.add("MatMul", left, w.constant(np.concatenate(matrices, 1), "kernel"))
    widths = w.integers(*(m.shape[1] for m in matrices))
    parts = w.add("Split", whole, widths, count=len(group), axis=-1)
    return dict(zip(group, parts, strict=True))
