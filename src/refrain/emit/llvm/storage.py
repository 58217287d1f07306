"""How packed weights are stored: whole, or in fewer bits to be read in less time.

A step with one sample does little more than read its weights, so one that reads half
the bytes, or a quarter, takes less time where they do not fit the nearest cache. All is
computed in float32: `bfloat16` keeps the upper half of each number; `int8` keeps whole
numbers from -127 to 127, and a scale for each unit of each sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from llvmlite import ir

from refrain.emit.llvm.code import I32, Code
from refrain.plan.layout import PACKED
from refrain.plan.program import Program, Stage

FLOAT32, BFLOAT16, INT8 = "float32", "bfloat16", "int8"
STORAGES = (FLOAT32, BFLOAT16, INT8)
_BITS = {BFLOAT16: 16, INT8: 8}
_LARGEST = 127


def weights_at(code: Code, packed: ir.Value, offset) -> ir.Value:
    """The address of the weight `offset` weights after `packed`."""
    bits = _BITS.get(code.target.weights)
    if bits is None:
        return code.at(packed, offset)
    return code.b.gep(packed, [code.int(offset)], source_etype=ir.IntType(bits))


def load_weights(code: Code, address: ir.Value) -> ir.Value:
    """A vector of weights as numbers; those of int8 are still to be scaled."""
    bits = _BITS.get(code.target.weights)
    if bits is None:
        return code.load_vector(address)
    kept = ir.VectorType(ir.IntType(bits), code.lanes)
    whole = ir.VectorType(I32, code.lanes)
    found = code.b.load(address, typ=kept, align=bits // 8)
    if code.target.weights == INT8:
        return code.b.sitofp(code.b.sext(found, whole), code.vector)
    upper = ir.Constant(whole, [16] * code.lanes)
    return code.b.bitcast(code.b.shl(code.b.zext(found, whole), upper), code.vector)


def scale_sums(
    code: Code,
    program: Program,
    stage: Stage,
    packed: ir.Value,
    block: ir.Value,
    sums: list[list[list[ir.Value]]],
) -> None:
    """Multiply the accumulators of a tile with the scales of its block of units."""
    if code.target.weights != INT8 or not stage.loops:
        return
    first = _numbers(program) // 4 + dict(_scales(program, code.lanes))[id(stage)]
    width = stage.vectors * code.lanes
    start = code.add(code.mul(block, len(stage.sums) * width), first)
    for s, rows in enumerate(sums):
        for v in range(stage.vectors):
            offset = code.add(start, s * width + v * code.lanes)
            scale = code.load_vector(code.at(packed, offset))
            for row in rows:
                row[v] = code.b.fmul(row[v], scale)


def stored(
    program: Program, packed: np.ndarray, lanes: int, storage: str
) -> np.ndarray:
    """Packed weights as a step of this storage reads them.

    Args:
        program: for which they are packed.
        packed: float32, as `pack_loop` lays them out.
        lanes: numbers in a vector.
        storage: one of `STORAGES`.

    Returns:
        float32 in which the bytes are.
    """
    if storage == FLOAT32:
        return packed
    if storage == BFLOAT16:
        return _upper_halves(packed).view(np.float32)
    kept = np.zeros(_numbers(program), np.int8)
    scales = [
        _scaled(stage, packed, kept, lanes) for stage in program.stages if stage.loops
    ]
    return np.concatenate([kept.view(np.float32), *scales])


def _upper_halves(numbers: np.ndarray) -> np.ndarray:
    """The nearest bfloat16 of each number, ties to even."""
    bits = numbers.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def _scaled(
    stage: Stage, packed: np.ndarray, kept: np.ndarray, lanes: int
) -> np.ndarray:
    """Write the whole numbers of a stage; its scales, [block][sum][vector][lane]."""
    width = stage.vectors * lanes
    blocks = -(-stage.width // width)
    largest = np.zeros((blocks, len(stage.sums), width), np.float32)
    parts = []
    for loop in stage.loops:
        shape = (blocks, loop.length, len(loop.terms), width)
        part = slice(loop.packed, loop.packed + math.prod(shape))
        numbers = packed[part].reshape(shape)
        sums = [term.sum_index for term in loop.terms]
        for k, s in enumerate(sums):
            found = np.abs(numbers[:, :, k]).max(axis=1)
            largest[:, s] = np.maximum(largest[:, s], found)
        parts.append((part, numbers, sums))
    scales = np.where(largest > 0, largest / _LARGEST, 1).astype(np.float32)
    for part, numbers, sums in parts:
        kept[part] = np.rint(numbers / scales[:, None, sums]).ravel()
    return scales.ravel()


def _numbers(program: Program) -> int:
    """Weights of all stages, up to a whole number of float32."""
    width = next((b.width for b in program.buffers if b.name == PACKED), 0)
    return -(-width // 4) * 4


def _scales(program: Program, lanes: int) -> Iterator[tuple[int, int]]:
    """Where the scales of each stage begin, by the stage's identity."""
    end = 0
    for stage in program.stages:
        if stage.loops:
            yield id(stage), end
            width = stage.vectors * lanes
            end += -(-stage.width // width) * len(stage.sums) * width
