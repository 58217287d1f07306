"""The functions that equations may use: primitives, and activations made of them.

Every name and formula is Keras's (keras.activations, keras.ops), so that an
activation asked for by name means the same everywhere. `ACTIVATIONS` lists the ones
that take one vector and keep its shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from refrain.errors import CellError
from refrain.graph.node import Node, here
from refrain.graph.ops import op

__all__ = [
    "abs",
    "celu",
    "cos",
    "elu",
    "erf",
    "exp",
    "expm1",
    "exponential",
    "gelu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log",
    "log1p",
    "log_sigmoid",
    "log_softmax",
    "max",
    "maximum",
    "mean",
    "minimum",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sqrt",
    "squareplus",
    "sum",
    "swish",
    "tanh",
    "tanh_shrink",
    "where",
]

Activation = Callable[[Node], Node]
ACTIVATIONS: dict[str, Activation] = {}
_A = TypeVar("_A", bound=Activation)


def activation(function: _A) -> _A:
    """List a function of one vector as an activation."""
    ACTIVATIONS[function.__name__] = function
    return function


def _primitive(name: str, text: str, count: int = 1) -> Callable[..., Node]:
    def function(*operands) -> Node:
        if len(operands) != count:
            raise CellError(
                f"{name} takes {count} operand(s), received {len(operands)}.\n"
                f"{here().quote()}\n  Hint: {name}: {text}"
            )
        return op(name, *operands)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = text
    return function


log = _primitive("log", "Natural logarithm.")
log1p = _primitive("log1p", "log(1 + x), exact near 0.")
expm1 = _primitive("expm1", "exp(x) - 1, exact near 0.")
sqrt = _primitive("sqrt", "Square root.")
erf = _primitive("erf", "Error function.")
sin = _primitive("sin", "Sine.")
cos = _primitive("cos", "Cosine.")
abs = _primitive("abs", "Absolute value.")
sign = _primitive("sign", "-1, 0 or 1.")
maximum = _primitive("maximum", "The larger of two.", 2)
minimum = _primitive("minimum", "The smaller of two.", 2)
where = _primitive("where", "where(condition, a, b): a where true, else b.", 3)
sum = _primitive("sum", "Sum over the units of one sample.")
mean = _primitive("mean", "Mean over the units of one sample.")
max = _primitive("max", "Largest of the units of one sample.")
exp = _primitive("exp", "Exponential.")

tanh = activation(_primitive("tanh", "Hyperbolic tangent."))
sigmoid = activation(_primitive("sigmoid", "1 / (1 + exp(-x))."))
softplus = activation(_primitive("softplus", "log(1 + exp(x))."))


def layer_norm(x: Node, gain: Node, shift: Node | float = 0.0, epsilon=1e-5) -> Node:
    """Layer normalisation over units. Source: Ba, Kiros, Hinton 2016, 1607.06450."""
    return standardised(x, epsilon) * gain + shift


def standardised(x: Node, epsilon=1e-5) -> Node:
    """Mean 0 and variance 1 over units."""
    centred = x - mean(x)
    return centred / sqrt(mean(centred * centred) + epsilon)


@activation
def linear(x: Node) -> Node:
    return x


@activation
def exponential(x: Node) -> Node:
    return exp(x)


@activation
def relu(x: Node) -> Node:
    return maximum(x, 0.0)


@activation
def relu6(x: Node) -> Node:
    return minimum(maximum(x, 0.0), 6.0)


@activation
def leaky_relu(x: Node, negative_slope: float = 0.2) -> Node:
    return where(x > 0.0, x, negative_slope * x)


@activation
def elu(x: Node, alpha: float = 1.0) -> Node:
    # minimum keeps the branch that is not taken finite, and so its gradient.
    return where(x > 0.0, x, alpha * expm1(minimum(x, 0.0)))


@activation
def celu(x: Node, alpha: float = 1.0) -> Node:
    return maximum(x, 0.0) + alpha * expm1(minimum(x, 0.0) / alpha)


@activation
def selu(x: Node) -> Node:
    """Source: Klambauer et al. 2017, 1706.02515, whose constants these are."""
    negative = 1.6732632423543772 * expm1(minimum(x, 0.0))
    return 1.0507009873554805 * (maximum(x, 0.0) + negative)


@activation
def softsign(x: Node) -> Node:
    return x / (1.0 + abs(x))


@activation
def squareplus(x: Node, b: float = 4.0) -> Node:
    return 0.5 * (x + sqrt(x * x + b))


@activation
def log_sigmoid(x: Node) -> Node:
    return -softplus(-x)


@activation
def silu(x: Node) -> Node:
    return x * sigmoid(x)


@activation
def mish(x: Node) -> Node:
    return x * tanh(softplus(x))


@activation
def gelu(x: Node) -> Node:
    return 0.5 * x * (1.0 + erf(x / math.sqrt(2.0)))


@activation
def hard_sigmoid(x: Node) -> Node:
    return relu6(x + 3.0) / 6.0


@activation
def hard_silu(x: Node) -> Node:
    return x * hard_sigmoid(x)


@activation
def hard_tanh(x: Node) -> Node:
    return minimum(maximum(x, -1.0), 1.0)


@activation
def tanh_shrink(x: Node) -> Node:
    return x - tanh(x)


@activation
def soft_shrink(x: Node, threshold: float = 0.5) -> Node:
    return maximum(x - threshold, 0.0) - maximum(-x - threshold, 0.0)


@activation
def hard_shrink(x: Node, threshold: float = 0.5) -> Node:
    return where(abs(x) > threshold, x, 0.0)


@activation
def sparse_plus(x: Node) -> Node:
    inside = 0.25 * (x + 1.0) ** 2
    return where(x > 1.0, x, where(x < -1.0, 0.0, inside))


@activation
def sparse_sigmoid(x: Node) -> Node:
    return minimum(maximum(0.5 * (x + 1.0), 0.0), 1.0)


@activation
def softmax(x: Node) -> Node:
    e = exp(x - max(x))
    return e / sum(e)


@activation
def log_softmax(x: Node) -> Node:
    shifted = x - max(x)
    return shifted - log(sum(exp(shifted)))


swish = ACTIVATIONS["swish"] = silu
hard_swish = ACTIVATIONS["hard_swish"] = hard_silu
