"""Packs weights: what a product reads in one round of its loop lies side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from llvmlite import ir

from refrain.emit.llvm.code import I32, Code
from refrain.plan.program import Loop, Stage


def pack_loop(
    code: Code,
    stage: Stage,
    loop: Loop,
    packed: ir.Value,
    variables: Mapping[str, ir.Value],
) -> None:
    """Pack the weights of a loop: [block][row of the matrix][term][vector][lane].

    Units that do not exist get zeros.
    """
    block = stage.vectors * code.lanes
    blocks = -(-stage.width // block)
    row = len(loop.terms) * block  # numbers that a round of the loop reads
    for number, term in enumerate(loop.terms):
        start = code.at(packed, loop.packed + number * block)
        matrix = code.at(variables[term.matrix.variable], term.matrix.offset)
        size = _Size(term.matrix.stride, stage.width, loop.length, row)
        pack = _pack_columns if term.transposed else _pack_rows
        with code.loop(0, blocks) as j, code.loop(0, block, code.lanes) as vector:
            unit = code.add(code.mul(j, block), vector)
            into = code.at(start, code.add(code.mul(j, loop.length * row), vector))
            pack(code, matrix, size, unit, into)


class _Size(NamedTuple):
    """A matrix: from row to row, units, and factors of a product; and a packed row."""

    stride: int
    width: int
    length: int
    row: int


def _pack_rows(
    code: Code, matrix: ir.Value, size: _Size, unit: ir.Value, into: ir.Value
) -> None:
    """A vector of units of each row."""
    mask = code.tail_mask(unit, size.width)
    with code.loop(0, size.length) as k:
        source = code.add(code.mul(k, size.stride), unit)
        vector = code.load_vector(code.at(matrix, source), mask)
        code.store_vector(vector, code.at(into, code.mul(k, size.row)))


def _pack_columns(
    code: Code, matrix: ir.Value, size: _Size, unit: ir.Value, into: ir.Value
) -> None:
    """The same of a matrix that has a row for each unit: square by square."""
    stride, width, length, row = size
    lanes = code.lanes
    side = min(lanes, length)
    mask = code.tail_mask(0, length) if side < lanes else None
    zero = code.constant(0.0)
    with code.loop(0, length, lanes) as tile:
        k = code.smaller(tile, length - side)  # the last square lies over another
        square = []
        for lane in range(lanes):
            wanted = code.add(unit, lane)
            there = code.smaller(wanted, width - 1)  # inside the matrix always
            source = code.add(code.mul(there, stride), k)
            vector = code.load_vector(code.at(matrix, source), mask)
            exists = code.b.icmp_signed("<", wanted, code.int(width))
            square.append(code.b.select(exists, vector, zero))
        for n, vector in enumerate(_turned(code, square)[:side]):
            target = code.mul(code.add(k, n), row)
            code.store_vector(vector, code.at(into, target))


def _turned(code: Code, square: Sequence[ir.Value]) -> list[ir.Value]:
    """A square of numbers with its rows as columns: as many vectors as lanes."""
    rows, lanes = list(square), range(code.lanes)
    kind = ir.VectorType(I32, code.lanes)
    step = 1
    while step < code.lanes:
        # Squares of this side change places across the diagonal of two by two.
        upper = [n + code.lanes - step if n & step else n for n in lanes]
        lower = [n + code.lanes if n & step else n + step for n in lanes]
        for r in (r for r in lanes if not r & step):
            pair = rows[r], rows[r + step]
            rows[r] = code.b.shuffle_vector(*pair, ir.Constant(kind, upper))
            rows[r + step] = code.b.shuffle_vector(*pair, ir.Constant(kind, lower))
        step *= 2
    return rows
