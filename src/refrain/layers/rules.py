"""How `keras.ops` computes each primitive, with the interpreter's meaning.

Most primitives have Keras's name. The others are here: where Keras's backends differ
from each other, at ties or in float64, the rule of `graph.ops` counts.
"""

from __future__ import annotations

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


def _in_own_dtype(name: str) -> Callable[[Tensor], Tensor]:
    return lambda x: ops.cast(getattr(ops, name)(x), x.dtype)


def _over_units(name: str) -> Callable[[Tensor], Tensor]:
    return lambda x: getattr(ops, name)(x, axis=-1, keepdims=True)


def _mean(x: Tensor) -> Tensor:
    # keras.ops.mean computes float64 in float32 on JAX and torch.
    return ops.sum(x, axis=-1, keepdims=True) / x.shape[-1]


_RULES: dict[str, Callable[..., Tensor]] = {
    "matmul": matmul,
    "maximum": _maximum,
    "minimum": _minimum,
    "tanh": _tanh,
    "sin": _in_own_dtype("sin"),
    "cos": _in_own_dtype("cos"),
    "sum": _over_units("sum"),
    "mean": _mean,
    "max": _over_units("max"),
    "size": lambda x: ops.full_like(x[..., :1], x.shape[-1]),
    "broadcast": lambda x, like: x + ops.zeros_like(like),
}
