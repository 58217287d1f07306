"""Tiles of products: accumulators that stay in registers over the whole product.

A tile has some samples and some vectors of units. Weights are packed beforehand, so
that what one round of the loop reads lies side by side.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from refrain.emit.llvm.code import Code
from refrain.plan.program import Loop, Stage, Term

UNROLL = 4


def multiply_tile(
    code: Code,
    stage: Stage,
    loop: Loop,
    rows: Sequence[Sequence[ir.Value]],
    packed: ir.Value,
    sums: list[list[list[ir.Value]]],
) -> None:
    """Add the products of one loop to the accumulators `sums[sum][row][vector]`.

    Args:
        code: writes the function.
        stage: gives the tile.
        loop: the products.
        rows: for each left operand its address for each sample.
        packed: address of this block's weights.
        sums: replaced by the accumulators after the loop.
    """
    used = sorted({term.sum_index for term in loop.terms})
    flat = [v for s in used for row in sums[s] for v in row]
    width = len(loop.terms) * stage.vectors * code.lanes
    whole = loop.length - loop.length % UNROLL if loop.length > UNROLL else 0

    def unflatten(values: Sequence[ir.Value]) -> dict[int, list[list[ir.Value]]]:
        found, values = {}, list(values)
        for s in used:
            found[s] = [[values.pop(0) for _ in range(stage.vectors)] for _ in rows[0]]
        return found

    def round_at(k, now: dict[int, list[list[ir.Value]]]) -> None:
        lefts = [[code.spread(code.load(code.at(r, k))) for r in left] for left in rows]
        weights = code.at(packed, code.mul(k, width))
        for number, term in enumerate(loop.terms):
            for v in range(stage.vectors):
                offset = (number * stage.vectors + v) * code.lanes
                right = code.load_vector(code.at(weights, offset))
                for r, value in enumerate(lefts[term.left]):
                    into = now[term.sum_index][r]
                    into[v] = code.multiply_add(value, right, into[v])

    if whole:
        with code.fold(0, whole, flat, UNROLL) as (k, carried, ends):
            now = unflatten(carried)
            for u in range(UNROLL):
                round_at(code.add(k, u), now)
            ends += [v for s in used for row in now[s] for v in row]
        flat = ends
    now = unflatten(flat)
    for k in range(whole, loop.length):
        round_at(code.int(k), now)
    for s in used:
        sums[s] = now[s]


def pack_loop(
    code: Code, stage: Stage, loop: Loop, packed: ir.Value, variables: dict
) -> None:
    """Pack the weights of a loop: [block][row of the matrix][term][vector][lane].

    Units that do not exist get zeros.
    """
    block = stage.vectors * code.lanes
    blocks = -(-stage.width // block)
    with code.loop(0, blocks) as j, code.loop(0, loop.length) as k:
        first = code.mul(j, block)
        row = code.add(code.mul(j, loop.length), k)
        into = code.at(
            packed, code.add(code.mul(row, len(loop.terms) * block), loop.packed)
        )
        for number, term in enumerate(loop.terms):
            base = code.at(variables[term.matrix.variable], term.matrix.offset)
            for v in range(stage.vectors):
                unit = code.add(first, v * code.lanes)
                target = code.at(into, number * block + v * code.lanes)
                if term.transposed:
                    _pack_column(code, stage, term, base, k, unit, target)
                else:
                    source = code.add(code.mul(k, term.matrix.stride), unit)
                    mask = code.tail_mask(unit, stage.width)
                    vector = code.load_vector(code.at(base, source), mask)
                    code.store_vector(vector, target)


def _pack_column(
    code: Code,
    stage: Stage,
    term: Term,
    base: ir.Value,
    k: ir.Value,
    unit: ir.Value,
    target: ir.Value,
) -> None:
    with code.loop(0, code.lanes) as lane:
        wanted = code.add(unit, lane)
        there = code.smaller(wanted, stage.width - 1)  # read inside the matrix always
        value = code.load(
            code.at(base, code.add(code.mul(there, term.matrix.stride), k))
        )
        exists = code.b.icmp_signed("<", wanted, code.int(stage.width))
        zero = ir.Constant(code.number, 0.0)
        code.store(code.b.select(exists, value, zero), code.at(target, lane))
