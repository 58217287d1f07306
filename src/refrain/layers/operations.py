"""The operations of `keras.ops` that the language knows, by the name of their class.

A rule gets the operation, which holds its settings, and its operands as nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refrain.graph import functions
from refrain.graph.functions import ACTIVATIONS
from refrain.graph.node import Node
from refrain.graph.ops import op
from refrain.layers.symbolic import Untraced

Rule = Callable[..., Node]


def _primitive(name: str) -> Rule:
    return lambda _, *operands: op(name, *operands)


def _activation(name: str) -> Rule:
    return lambda _, x: ACTIVATIONS[name](x)


def _with(name: str, setting: str) -> Rule:
    """An activation with one number."""
    return lambda made, x: getattr(functions, name)(x, float(getattr(made, setting)))


def _clip(made: Any, x: Node) -> Node:
    return op("minimum", op("maximum", x, made.x_min), made.x_max)


def _gelu(made: Any, x: Node) -> Node:
    if made.approximate:
        raise Untraced("it computes gelu approximately")
    return ACTIVATIONS["gelu"](x)


def _relu(made: Any, x: Node) -> Node:
    """keras.activations.relu, which has more settings than keras.ops.relu."""
    if made.threshold or made.max_value is not None:
        raise Untraced("it computes relu with a threshold or a largest value")
    if made.negative_slope:
        return _with("leaky_relu", "negative_slope")(made, x)
    return ACTIVATIONS["relu"](x)


def _power(_: Any, x: Node, exponent: Node) -> Node:
    if exponent.attribute != 2.0:
        raise Untraced("it computes a power other than ** 2")
    return x * x


def _over_units(made: Any) -> None:
    axes = made.axis if isinstance(made.axis, (list, tuple)) else (made.axis,)
    if len(axes) != 1 or axes[0] not in (-1, 1):
        raise Untraced(f"{type(made).__name__} does not go over the units alone")


def _reduction(name: str) -> Rule:
    def rule(made: Any, x: Node) -> Node:
        _over_units(made)
        if not made.keepdims:
            raise Untraced(f"{type(made).__name__} without keepdims=True")
        return op(name, x)

    return rule


def _softmax(name: str) -> Rule:
    def rule(made: Any, x: Node) -> Node:
        _over_units(made)
        return ACTIVATIONS[name](x)

    return rule


def _layer_norm(made: Any, x: Node, gain: Any = None, shift: Any = None) -> Node:
    _over_units(made)
    if made.rms_scaling or made.epsilon is None:
        raise Untraced("it normalises with rms_scaling, or without an epsilon")
    gain, shift = (v if v is not None else n for v, n in ((gain, 1.0), (shift, 0.0)))
    return functions.layer_norm(x, gain, shift, made.epsilon)


POINTWISE: dict[str, Rule] = {
    **{
        name.capitalize(): _primitive(name)
        for name in (
            "add",
            "subtract",
            "multiply",
            "divide",
            "negative",
            "maximum",
            "minimum",
            "exp",
            "expm1",
            "log",
            "log1p",
            "sqrt",
            "tanh",
            "sigmoid",
            "erf",
            "sin",
            "cos",
            "abs",
            "sign",
            "greater",
            "where",
        )
    },
    "TrueDivide": _primitive("divide"),
    "Absolute": _primitive("abs"),
    "Less": lambda _, a, b: op("greater", b, a),
    "Square": lambda _, x: x * x,
    "Power": _power,
    "Reciprocal": lambda _, x: 1.0 / x,
    "Rsqrt": lambda _, x: 1.0 / op("sqrt", x),
    "Clip": _clip,
    "ReLU": _relu,
    "Gelu": _gelu,
    **{
        "".join(map(str.capitalize, name.split("_"))): _activation(name)
        for name in (
            "relu",
            "relu6",
            "softplus",
            "softsign",
            "silu",
            "log_sigmoid",
            "hard_sigmoid",
            "hard_silu",
            "hard_tanh",
            "tanh_shrink",
            "selu",
            "sparse_plus",
            "sparse_sigmoid",
        )
    },
    "LeakyRelu": _with("leaky_relu", "negative_slope"),
    "Elu": _with("elu", "alpha"),
    "Celu": _with("celu", "alpha"),
    "HardShrink": _with("hard_shrink", "threshold"),
    "SoftShrink": _with("soft_shrink", "threshold"),
    "Squareplus": _with("squareplus", "b"),
}

OVER_UNITS: dict[str, Rule] = {
    "Mean": _reduction("mean"),
    "Sum": _reduction("sum"),
    "Max": _reduction("max"),
    "Amax": _reduction("max"),
    "Softmax": _softmax("softmax"),
    "LogSoftmax": _softmax("log_softmax"),
    "LayerNorm": _layer_norm,
}
