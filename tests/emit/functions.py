"""Functions of vectors as native code that maps arrays, and how exact results are."""

import ctypes
import functools
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
from llvmlite import ir

from refrain.emit.llvm.code import I64, PTR, VOID, Code
from refrain.emit.llvm.control import flush_denormals
from refrain.emit.llvm.pointwise import RULES, emit
from refrain.emit.llvm.vectors import Target, host_isas
from refrain.runtime.compile import Library, compile_object

ISAS = [isa.name for isa in host_isas()]
UNARY = ("abs", "cos", "erf", "exp", "expm1", "log", "log1p", "negative")
UNARY += ("sigmoid", "sign", "sin", "softplus", "sqrt", "tanh")
assert set(UNARY) <= set(RULES)

DIGITS = {"float32": 24, "float64": 53}
LEAST = {"float32": -149, "float64": -1074}  # exponent of the smallest number

Function = Callable[[np.ndarray], np.ndarray]


@functools.cache
def native(dtype: str, isa: str, flush: bool = False) -> dict[str, Function]:
    """Every primitive of one operand, compiled, as a function of an array."""
    target = Target.host(dtype, isa)
    module = ir.Module("functions")
    module.triple = target.triple
    for name in UNARY:
        kind = ir.FunctionType(VOID, [PTR, PTR, I64])
        code = Code(ir.Function(module, kind, name), target)
        source, result, count = code.function.args
        mode = flush_denormals(code) if flush else nullcontext()
        with mode, code.loop(0, count, code.lanes) as k:
            operand = code.load_vector(code.at(source, k))
            code.store_vector(emit(code, name, [operand]), code.at(result, k))
        code.b.ret_void()
    library = Library(compile_object(str(module), target), target)
    return {n: _over_arrays(library.address(n), target) for n in UNARY}


def _over_arrays(address: int, target: Target) -> Function:
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)

    def function(x: np.ndarray) -> np.ndarray:
        assert x.dtype == target.dtype
        whole = np.zeros(-(-x.size // target.width) * target.width, x.dtype)
        whole[: x.size] = x
        result = np.empty_like(whole)
        run(address)(whole.ctypes.data, result.ctypes.data, whole.size)
        return result[: x.size]

    return function


def ulps(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Errors in units in the last place of the exact values; 0 for equal results.

    A result that is as good as rounding allows has at most half a unit.
    """
    dtype = str(found.dtype)
    with np.errstate(all="ignore"):
        rounded = exact.astype(dtype)
        _, exponent = np.frexp(exact)
        least = np.maximum(exponent - DIGITS[dtype], LEAST[dtype])
        error = np.abs(found - exact) / np.ldexp(np.longdouble(1), least)
    limits = np.isinf(rounded) & (found == rounded)
    error = np.where(limits | (np.isnan(found) & np.isnan(exact)), 0.0, error)
    return np.where(np.isnan(error), np.inf, error).astype(float)


def is_denormal(x: np.ndarray, dtype: str) -> np.ndarray:
    return (x != 0) & (np.abs(x) < np.finfo(dtype).tiny)
