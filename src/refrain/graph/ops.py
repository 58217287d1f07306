"""The primitives of the language: one record each for shape, meaning and gradient.

Names are NumPy's and Keras's, so that every other executor finds its rule by name.
Arrays carry units on the last axis; vectors and scalars that belong to no sample
broadcast. `OPS` is the whole list; a test fails for an emitter that misses one.
"""

from __future__ import annotations

import math

import numpy as np

from refrain.errors import GraphError
from refrain.graph.node import (
    BOOL,
    REAL,
    Node,
    Op,
    Shape,
    as_node,
    build,
    primitives,
    shape_error,
)

OPS: dict[str, Op] = primitives


def primitive(name: str, shape, value, gradient, dtype: str = REAL) -> Op:
    """Record a primitive and list it in `OPS`."""
    OPS[name] = Op(name, shape, value, gradient, dtype)
    return OPS[name]


# -- shape rules ---------------------------------------------------------------


def _given(*_: Node) -> Shape:
    raise GraphError("leaves and constants bring their own shape")


def _same(*operands: Node) -> Shape:
    """Pointwise: equal shapes, or a scalar beside any shape."""
    _numbers(operands)
    return _common(operands)


def _numbers(operands: tuple[Node, ...]) -> None:
    for operand in operands:
        if operand.dtype == BOOL:
            raise shape_error(
                f"{operand.describe()} is a truth value and was used as a number.",
                "a number",
                "choose with where(condition, a, b)",
            )


def _sum(*operands: Node) -> Shape:
    """add: pointwise; in gradients also two contributions to one matrix."""
    if all(len(o.shape) == 2 and o.inputs for o in operands):
        return operands[0].shape
    return _same(*operands)


def _choice(condition: Node, *operands: Node) -> Shape:
    """where: a truth value, then two numbers."""
    if condition.dtype != BOOL:
        raise shape_error(
            f"where: the condition {condition.describe()} is a number.",
            "a truth value",
            "compare it, e.g. where(x > 0.0, a, b)",
        )
    _same(*operands)
    return _common((condition, *operands))


def _common(operands: tuple[Node, ...]) -> Shape:
    for operand in operands:
        if len(operand.shape) == 2:
            raise shape_error(
                f"{operand.describe()} is a matrix {_show(operand.shape)} and was "
                "used pointwise.",
                "a vector or a scalar",
                "multiply a matrix from the right, e.g. x @ W.i",
            )
    shapes = {o.shape for o in operands if o.shape}
    if len(shapes) > 1:
        left, right = [o for o in operands if o.shape][-2:]
        raise shape_error(
            f"cannot combine {left.describe()} {_show(left.shape)} with "
            f"{right.describe()} {_show(right.shape)}.",
            "vectors of one size",
            "bring one to the other's size with a product, e.g. x @ W.i",
        )
    return next(iter(shapes), ())


def _product(left: Node, right: Node, inner: int = 0) -> Shape:
    """matmul: `inner` is the axis of the matrix that the vector fits."""
    _numbers((left, right))
    if len(right.shape) != 2:
        raise shape_error(
            f"cannot multiply {left.describe()} {_show(left.shape)} by "
            f"{right.describe()} {_show(right.shape)} with @.",
            "a weight matrix on the right of @",
            "write the vector first, x @ W.i, and use * between vectors",
        )
    if left.shape != (right.shape[inner],):
        raise shape_error(
            f"cannot multiply {left.describe()} {_show(left.shape)} by "
            f"{right.describe()}{'.T' * inner} {_show(right.shape)}.",
            f"a matrix with `{''.join(left.shape) or '1'}` "
            f"{('rows', 'columns')[inner]}",
            "multiply a state by U (recurrent_kernel), the input by W (kernel)",
        )
    return (right.shape[1 - inner],)


def _product_transposed(left: Node, right: Node) -> Shape:
    return _product(left, right, inner=1)


def _pair(left: Node, right: Node) -> Shape:
    if len(left.shape) != 1 or len(right.shape) != 1:
        raise GraphError(f"outer of {left!r} and {right!r}")
    return (*left.shape, *right.shape)


def _row_of(number: Node, matrix: Node) -> Shape:
    """row: a number, and a matrix that is a leaf."""
    if number.shape or len(matrix.shape) != 2 or matrix.inputs:
        raise GraphError(f"row {number!r} of {matrix!r}")
    return matrix.shape[1:]


def _matrix_of_row(number: Node, row: Node, like: Node) -> Shape:
    if _row_of(number, like) != row.shape:
        raise GraphError(f"{row!r} as a row of {like!r}")
    return like.shape


def _repeated(number: Node, like: Node) -> Shape:
    _numbers((number,))
    if number.shape or len(like.shape) != 1:
        raise GraphError(f"broadcast of {number!r} to {like!r}")
    return like.shape


def _reduced(operand: Node) -> Shape:
    _numbers((operand,))
    if len(operand.shape) != 1:
        raise shape_error(
            f"cannot reduce {operand.describe()} {_show(operand.shape)} over units.",
            "a vector",
            "reduce a state, a gate or a product, e.g. mean(x @ W.i)",
        )
    return ()


def _show(shape: Shape) -> str:
    return f"({', '.join(shape)}{',' if len(shape) == 1 else ''})"


# -- gradients -----------------------------------------------------------------


def op(name: str, *operands) -> Node:
    """The node of primitive `name` on nodes or numbers."""
    return build(OPS[name], *(as_node(o) for o in operands))


def _where(condition: Node, a, b) -> Node:
    return op("where", condition, a, b)


def _nothing(y: Node, g: Node) -> tuple[Node | None, ...]:
    return tuple(None for _ in y.inputs)


def _larger(y: Node, g: Node) -> tuple[Node, Node]:
    # At a tie the second operand takes the gradient: relu(x) = maximum(x, 0) is flat
    # at 0, as in Keras. y > b where a > b, and what is kept of relu is y.
    b = y.inputs[1]
    return _where(y > b, g, 0.0), _where(y > b, 0.0, g)


def _smaller(y: Node, g: Node) -> tuple[Node, Node]:
    b = y.inputs[1]
    return _where(y < b, g, 0.0), _where(y < b, 0.0, g)


def _largest(y: Node, g: Node) -> tuple[Node]:
    (x,) = y.inputs
    hit = _where(op("equal", x, y), 1.0, 0.0)
    return (hit * (g / op("sum", hit)),)


def _unary(rule):
    """The gradient of a function of one operand from its derivative rule(x, y)."""
    return lambda y, g: (g * rule(y.inputs[0], y),)


# -- the list ------------------------------------------------------------------

# Leaves: values that come from outside the equations, and numbers.
primitive("leaf", _given, None, _nothing)
primitive("constant", _given, None, _nothing)

primitive("add", _sum, np.add, lambda y, g: (g, g))
primitive("subtract", _same, np.subtract, lambda y, g: (g, -g))
primitive(
    "multiply", _same, np.multiply, lambda y, g: (g * y.inputs[1], g * y.inputs[0])
)
primitive(
    "divide",
    _same,
    np.divide,
    lambda y, g: (g / y.inputs[1], -(g * y / y.inputs[1])),
)
primitive("negative", _same, np.negative, lambda y, g: (-g,))
primitive("maximum", _same, np.maximum, _larger)
primitive("minimum", _same, np.minimum, _smaller)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    # Both branches keep exp's argument at or below 0, so nothing overflows.
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


_erf = np.vectorize(math.erf, otypes=[float])

primitive("exp", _same, np.exp, _unary(lambda x, y: y))
primitive("expm1", _same, np.expm1, _unary(lambda x, y: y + 1.0))
primitive("log", _same, np.log, lambda y, g: (g / y.inputs[0],))
primitive("log1p", _same, np.log1p, lambda y, g: (g / (1.0 + y.inputs[0]),))
primitive("sqrt", _same, np.sqrt, lambda y, g: (g * 0.5 / y,))
primitive("tanh", _same, np.tanh, _unary(lambda x, y: 1.0 - y * y))
primitive("sigmoid", _same, _sigmoid, _unary(lambda x, y: y * (1.0 - y)))
primitive(
    "softplus",
    _same,
    lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    _unary(lambda x, y: op("sigmoid", x)),
)
primitive(
    "erf",
    _same,
    lambda x: _erf(x).astype(x.dtype),
    _unary(lambda x, y: (2 / math.sqrt(math.pi)) * op("exp", -(x * x))),
)
primitive("sin", _same, np.sin, _unary(lambda x, y: op("cos", x)))
primitive("cos", _same, np.cos, _unary(lambda x, y: -op("sin", x)))
primitive("abs", _same, np.abs, _unary(lambda x, y: op("sign", x)))
primitive("sign", _same, np.sign, _nothing)

primitive("greater", _same, np.greater, _nothing, dtype=BOOL)
primitive("equal", _same, np.equal, _nothing, dtype=BOOL)
primitive(
    "where",
    _choice,
    lambda condition, a, b: np.where(condition, a, b),
    lambda y, g: (
        None,
        _where(y.inputs[0], g, 0.0),
        _where(y.inputs[0], 0.0, g),
    ),
)

# Reductions over the units of one sample.
primitive(
    "sum",
    _reduced,
    lambda x: x.sum(-1, keepdims=True),
    lambda y, g: (op("broadcast", g, y.inputs[0]),),
)
primitive(
    "mean",
    _reduced,
    lambda x: x.mean(-1, keepdims=True),
    lambda y, g: (op("broadcast", g / op("size", y.inputs[0]), y.inputs[0]),),
)
primitive("max", _reduced, lambda x: x.max(-1, keepdims=True), _largest)
primitive(
    "size", _reduced, lambda x: np.asarray([[x.shape[-1]]], dtype=x.dtype), _nothing
)
# A scalar of one sample repeated to the size of the second operand, which gives its
# shape alone.
primitive(
    "broadcast",
    _repeated,
    lambda x, like: np.broadcast_to(x, (*x.shape[:-1], like.shape[-1])),
    lambda y, g: (op("sum", g), None),
)

primitive(
    "matmul",
    _product,
    np.matmul,
    lambda y, g: (
        op("matmul_transposed", g, y.inputs[1]),
        op("outer", y.inputs[0], g),
    ),
)


primitive(
    "matmul_transposed",
    _product_transposed,
    lambda x, w: x @ w.T,
    lambda y, g: (op("matmul", g, y.inputs[1]), op("outer", g, y.inputs[0])),
)


# This arises in gradients alone. It is summed over samples: it is the gradient of a
# weight, and a weight belongs to all samples.
def _outer(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    samples = max(len(a), len(g))  # a weight as left operand has no samples of its own
    a, g = (np.broadcast_to(v, (samples, v.shape[-1])) for v in (a, g))
    return a.T @ g


primitive("outer", _pair, _outer, _nothing)


NO_ROW = -1.0  # an index that stands for a vector of zeros


# The product of a one-hot vector, of which the index is known, with a matrix. Any other
# index that the matrix has no row for gives no number, and has no gradient.
def _row(number: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    index, known = _indices(number, matrix)
    other = np.where(number == NO_ROW, 0.0, np.nan)
    return np.where(known[:, None], matrix[index], other)


def _at_row(number: np.ndarray, row: np.ndarray, like: np.ndarray) -> np.ndarray:
    index, known = _indices(number, like)
    rows = np.broadcast_to(row, (len(index), like.shape[-1]))
    found = np.zeros_like(like)
    np.add.at(found, index[known], rows[known])
    return found


def _indices(number: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An index for each sample, and whether the matrix has a row for its number."""
    number = number[:, 0]
    known = (number >= 0) & (number < len(matrix))
    return np.where(known, number, 0).astype(int), known


primitive(
    "row",
    _row_of,
    _row,
    lambda y, g: (None, op("at_row", y.inputs[0], g, y.inputs[1])),
)
# In gradients alone, and summed over samples, as outer.
primitive("at_row", _matrix_of_row, _at_row, _nothing)

PRODUCTS = (OPS["matmul"], OPS["matmul_transposed"])
SUMS = (OPS["sum"], OPS["mean"])  # over units
REDUCTIONS = (*SUMS, OPS["max"])
