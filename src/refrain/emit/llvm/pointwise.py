"""The rules that turn pointwise primitives into IR: one for each, found by name.

Tiles call `emit` on vectors in registers; products and reductions are the time loop's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llvmlite import ir

from refrain.emit.llvm import vector_math
from refrain.emit.llvm.code import Code
from refrain.emit.llvm.lanes import Lanes

Rule = Callable[..., Lanes | ir.Value]
RULES: dict[str, Rule] = {}


def emits(name: str) -> Callable[[Rule], Rule]:
    """Make a function the rule of primitive `name`."""

    def record(rule: Rule) -> Rule:
        RULES[name] = rule
        return rule

    return record


def emit(code: Code, name: str, operands: Sequence[ir.Value]) -> ir.Value:
    """The value of a pointwise primitive.

    Args:
        code: writes the function.
        name: the primitive's, as in `refrain.graph.ops.OPS`.
        operands: vectors of `code.target`; truth values are vectors of one bit.
    """
    result = RULES[name](*(Lanes(code, o) for o in operands))
    return result.value if isinstance(result, Lanes) else result


_FUNCTIONS = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "erf")
for _name in (*_FUNCTIONS, "sin", "cos"):
    RULES[_name] = getattr(vector_math, _name)
RULES["sqrt"] = Lanes.sqrt
RULES["abs"] = Lanes.__abs__
RULES["negative"] = Lanes.__neg__
RULES["add"] = Lanes.__add__
RULES["subtract"] = Lanes.__sub__
RULES["multiply"] = Lanes.__mul__
RULES["divide"] = Lanes.__truediv__
RULES["greater"] = Lanes.__gt__
RULES["equal"] = Lanes.equals


@emits("maximum")
def _maximum(a: Lanes, b: Lanes) -> Lanes:
    a, b = _constant_last(a, b)
    return b.where(b.is_nan(), b.where(b > a, a))


@emits("minimum")
def _minimum(a: Lanes, b: Lanes) -> Lanes:
    a, b = _constant_last(a, b)
    return b.where(b.is_nan(), b.where(b < a, a))


def _constant_last(a: Lanes, b: Lanes) -> tuple[Lanes, Lanes]:
    # LLVM drops the test of a constant for NaN, which leaves one instruction.
    return (b, a) if isinstance(a.value, ir.Constant) else (a, b)


@emits("sign")
def _sign(x: Lanes) -> Lanes:
    return x.like(1.0).where(x > 0.0, x.like(-1.0).where(x < 0.0, x))


@emits("where")
def _where(condition: Lanes, a: Lanes, b: Lanes) -> Lanes:
    return a.where(condition.value, b)
