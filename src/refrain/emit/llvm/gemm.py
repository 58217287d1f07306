"""Tiles of products: accumulators that stay in registers over the whole product.

A tile has some samples and some vectors of units. Weights are packed beforehand, so
that what one round of the loop reads lies side by side.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from refrain.emit.llvm.code import Code
from refrain.emit.llvm.storage import load_weights, weights_at
from refrain.plan.program import Loop, Stage

UNROLL = 4


# Accumulators: [sum][row][vector].
Sums = list[list[list[ir.Value]]]


def multiply_rows(
    code: Code,
    stage: Stage,
    loop: Loop,
    rows: Sequence[Sequence[ir.Value]],
    packed: ir.Value,
    sums: Sums,
    first: ir.Value,
    end: ir.Value,
    ahead: ir.Value | None = None,
) -> None:
    """Add the products with matrix rows [first, end) to the accumulators.

    Args:
        code: writes the function.
        stage: gives the tile.
        loop: the products.
        rows: for each left operand its address for each sample.
        packed: address of this block's weights.
        sums: replaced by the accumulators after the loop.
        first, end: a multiple of `UNROLL` apart.
        ahead: address of weights that are wanted next: a line a row is called for.
    """
    used = sorted({term.sum_index for term in loop.terms})
    flat = [v for s in used for row in sums[s] for v in row]
    with code.fold(first, end, flat, UNROLL) as (k, carried, ends):
        values = iter(carried)
        now = {s: [[next(values) for _ in row] for row in sums[s]] for s in used}
        for u in range(UNROLL):
            if ahead is not None:
                line = code.mul(code.add(code.sub(k, first), u), code.lanes)
                code.prefetch(weights_at(code, ahead, line), near=False)
            _multiply_row(code, stage, loop, rows, packed, now, code.add(k, u))
        ends += [v for s in used for row in now[s] for v in row]
    values = iter(ends)
    for s in used:
        sums[s] = [[next(values) for _ in row] for row in sums[s]]


def multiply_rest(
    code: Code,
    stage: Stage,
    loop: Loop,
    rows: Sequence[Sequence[ir.Value]],
    packed: ir.Value,
    sums: Sums,
) -> None:
    """Add the products with the rows that `UNROLL` leaves over."""
    for k in range(loop.length - loop.length % UNROLL, loop.length):
        _multiply_row(code, stage, loop, rows, packed, sums, code.int(k))


def _multiply_row(code, stage: Stage, loop: Loop, rows, packed, sums, k) -> None:
    width = len(loop.terms) * stage.vectors * code.lanes
    lefts = [[code.spread(code.load(code.at(r, k))) for r in left] for left in rows]
    weights = weights_at(code, packed, code.mul(k, width))
    for number, term in enumerate(loop.terms):
        for v in range(stage.vectors):
            offset = (number * stage.vectors + v) * code.lanes
            right = load_weights(code, weights_at(code, weights, offset))
            for r, value in enumerate(lefts[term.left]):
                into = sums[term.sum_index][r]
                into[v] = code.multiply_add(value, right, into[v])
