"""How `keras.ops` computes each primitive, with the interpreter's meaning.

Most primitives have Keras's name. The others are here: where Keras's backends differ
from each other, at ties or in float64, the rule of `graph.ops` counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from refrain.graph.node import Node

Tensor = Any


def rule_of(node: Node) -> Callable[..., Tensor]:
    """The function that computes this node from its operands."""
    return _RULES.get(node.op.name) or getattr(ops, node.op.name)


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """A product in the operands' dtype."""
    # keras.ops.matmul computes float64 in float32 on torch.
    return a @ b if _is_float64(a) else ops.matmul(a, b)


def _is_float64(x: Tensor) -> bool:
    return keras.backend.standardize_dtype(x.dtype) == "float64"


def _maximum(a: Tensor, b: Tensor) -> Tensor:
    # At a tie b takes the whole gradient (relu is flat at 0); NaN stays NaN.
    return ops.where(ops.logical_or(a > b, ops.isnan(a)), a, b)


def _minimum(a: Tensor, b: Tensor) -> Tensor:
    return ops.where(ops.logical_or(a < b, ops.isnan(a)), a, b)


def _tanh(x: Tensor) -> Tensor:
    if not _is_float64(x):
        return ops.tanh(x)
    # keras.ops.tanh computes float64 in float32 on JAX.
    size: Tensor = ops.abs(x)
    e: Tensor = ops.expm1(-2.0 * size)
    return ops.sign(x) * (-e / (e + 2.0))


def _sine(x: Tensor, quarter: int) -> Tensor:
    """sin(x + quarter * π / 2), in the operand's dtype."""
    if not _is_float64(x):
        return ops.cast((ops.sin, ops.cos)[quarter](x), x.dtype)
    # keras.ops.sin computes float64 in float32 on JAX.
    turns: Tensor = ops.round(x / (math.pi / 2))
    # π / 2 in two parts; products with the first are exact.
    rest = (x - turns * 1.5707963267341256) - turns * 6.077100506506192e-11
    turns = ops.mod(turns + quarter, 4.0)
    sine, cosine = rest * _series(rest * rest, 1), _series(rest * rest, 0)
    size: Tensor = ops.where(ops.mod(turns, 2.0) == 1.0, cosine, sine)
    return ops.where(turns > 1.5, -size, size)


def _series(square: Tensor, odd: int) -> Tensor:
    """1 - x² / (1 + odd)(2 + odd) + ..., the series of cos(x), or of sin(x) / x."""
    total: Tensor = ops.ones_like(square)
    for k in range(16 + odd, odd, -2):
        total = 1.0 - total * square / (k * (k - 1.0))
    return total


def _over_units(name: str) -> Callable[[Tensor], Tensor]:
    return lambda x: getattr(ops, name)(x, axis=-1, keepdims=True)


def _mean(x: Tensor) -> Tensor:
    # keras.ops.mean computes float64 in float32 on JAX and torch.
    return ops.sum(x, axis=-1, keepdims=True) / x.shape[-1]


_RULES: dict[str, Callable[..., Tensor]] = {
    "matmul": matmul,
    "matmul_transposed": lambda x, w: matmul(x, ops.transpose(w)),
    "maximum": _maximum,
    "minimum": _minimum,
    "tanh": _tanh,
    # keras.ops.softplus drops the exponential on torch where x is large.
    "softplus": lambda x: ops.negative(ops.log_sigmoid(-x)),
    "sin": lambda x: _sine(x, 0),
    "cos": lambda x: _sine(x, 1),
    "sum": _over_units("sum"),
    "mean": _mean,
    "max": _over_units("max"),
    "size": lambda x: ops.full_like(x[..., :1], x.shape[-1]),
    "broadcast": lambda x, like: x + ops.zeros_like(like),
}
