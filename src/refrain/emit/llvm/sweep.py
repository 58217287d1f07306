"""Emits one stage: a sweep over units and samples, tile by tile.

Tiles at the end of a range of samples compute its last sample more than once, to the
same result. Where a block of weights does not fit the nearest cache, it is taken in
slices, each for several tiles, whose accumulators wait in memory.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from refrain.emit.llvm.code import Code
from refrain.emit.llvm.gemm import UNROLL, Sums, multiply_rest, multiply_rows
from refrain.emit.llvm.storage import scale_sums, weights_at
from refrain.emit.llvm.tile import Tile
from refrain.graph.masking import MASK
from refrain.graph.node import Node
from refrain.plan.layout import PACKED
from refrain.plan.program import Loop, Place, Reduction, Stage

SLICE = 24 << 10
TOGETHER = 8  # tiles that read a slice one after the other; sums side by side


class Sweep:
    """Writes one stage of a time loop."""

    def __init__(self, time_loop: Any, stage: Stage):
        self.time_loop = time_loop
        self.code: Code = time_loop.code
        self.stage = stage
        self.block = stage.vectors * self.code.lanes  # units in a tile
        self.blocks = -(-stage.width // self.block)
        self.first, self.end = time_loop.first, time_loop.end
        self.ahead = time_loop.ahead(stage)

    def emit(self) -> None:
        code, stage = self.code, self.stage
        if stage.reductions:
            with code.loop(self.first, self.end) as sample:
                for k in range(0, len(stage.reductions), TOGETHER):
                    self._reduce(stage.reductions[k : k + TOGETHER], sample)
        if not stage.stores and not stage.summed:
            return
        weights = sum(loop.length * len(loop.terms) for loop in stage.loops)
        sliced = weights * self.block * code.bytes > SLICE
        if not stage.loops:  # where a sample lies is found once for all its units
            with (
                self._samples(self.first, self.end) as (_, samples),
                self._summing(samples[0]),
                code.loop(0, self.blocks) as j,
            ):
                self._run(j, samples, self.zeros(), whole=True)
            return
        with self.time_loop.blocks(self.blocks) as j:
            if sliced:
                self._by_slices(j)
            else:
                with self._samples(self.first, self.end) as (_, samples):
                    self._run(j, samples, self.time_loop.sums(self, j), whole=True)

    def _by_slices(self, j: ir.Value) -> None:
        """Tiles in groups; slice by slice for all tiles of a group."""
        code, stage = self.code, self.stage
        each = len(stage.sums) * stage.vectors  # accumulators of one sample
        group = TOGETHER * stage.rows
        with code.b.goto_entry_block():
            waiting = code.b.alloca(code.vector, group * each)

        def place(begin, sample):
            return code.at(
                waiting, code.mul(code.sub(sample, begin), each * code.lanes)
            )

        with code.loop(self.first, self.end, group) as begin:
            stop = code.smaller(code.add(begin, group), self.end)
            with self._samples(begin, stop) as (sample, samples):
                self._call_rows(j, samples)
                self.put(place(begin, sample), self.time_loop.sums(self, j))
            for loop in (x for x in stage.loops if x not in self.ahead):
                width = len(loop.terms) * self.block * code.bytes
                length = max(UNROLL, SLICE // width // UNROLL * UNROLL)
                whole = loop.length - loop.length % UNROLL
                with (
                    code.loop(0, whole, length) as k,
                    self._samples(begin, stop) as (sample, samples),
                    self._where_some_count(samples),
                ):
                    sums = self.get(place(begin, sample))
                    to = code.smaller(code.add(k, length), whole)
                    rows, packed = self.operands(loop, j, samples)
                    # Each tile calls for its part of the slice that follows.
                    tile = code.b.sdiv(code.sub(sample, begin), code.int(stage.rows))
                    part = code.mul(tile, length * code.lanes)
                    following = code.mul(to, len(loop.terms) * self.block)
                    ahead = weights_at(code, packed, code.add(following, part))
                    multiply_rows(code, stage, loop, rows, packed, sums, k, to, ahead)
                    self.put(place(begin, sample), sums)
            with self._samples(begin, stop) as (sample, samples):
                self._run(j, samples, self.get(place(begin, sample)), whole=False)

    def _run(self, j, samples: Sequence[ir.Value], sums: Sums, whole: bool) -> None:
        """One tile, or what is left of it where none of its samples counts."""
        if self.stage.idle is None:
            self._tile(j, samples, sums, whole)
            return
        with self.code.b.if_else(self._any_counts(samples)) as (some, none):
            with some:
                self._tile(j, samples, sums, whole)
            with none:
                self._store(self.stage.idle, j, samples, [])

    def _tile(self, j, samples: Sequence[ir.Value], sums: Sums, whole: bool) -> None:
        code, stage = self.code, self.stage
        if whole and stage.loops:
            self._call_rows(j, samples)
        for loop in stage.loops:
            operands = self.operands(loop, j, samples)
            if whole and loop not in self.ahead:
                to = code.int(loop.length - loop.length % UNROLL)
                multiply_rows(code, stage, loop, *operands, sums, code.int(0), to)
            multiply_rest(code, stage, loop, *operands, sums)
        packed = self.time_loop.base.get(PACKED)
        scale_sums(code, self.time_loop.program, stage, packed, j, sums)
        self._store(stage, j, samples, sums)

    def _store(self, stage: Stage, j, samples: Sequence[ir.Value], sums: Sums) -> None:
        first = self.code.mul(j, self.block)
        tile = Tile(self.time_loop, stage, first, list(samples), sums)
        tile.read_replaced()
        for r in range(len(samples)):
            for v in range(stage.vectors):
                tile.store(r, v)
        if stage.summed:
            tile.sum_up(self.totals)

    def _call_rows(self, j, samples: Sequence[ir.Value]) -> None:
        """Call for what a tile looks up, before its products."""
        first = self.code.mul(j, self.block)
        Tile(self.time_loop, self.stage, first, list(samples), []).call_rows()

    def operands(self, loop: Loop, j, samples: Sequence[ir.Value]):
        """Where a loop reads: its left operands for each sample, and its weights."""
        code = self.code
        rows = [[self.time_loop.row(left, s) for s in samples] for left in loop.lefts]
        size = loop.length * len(loop.terms) * self.block
        offset = code.add(code.mul(j, size), loop.packed)
        return rows, weights_at(code, self.time_loop.base[PACKED], offset)

    @contextmanager
    def _samples(self, begin, stop) -> Iterator[tuple[ir.Value, list[ir.Value]]]:
        """A loop over tiles: the first sample of each, and all of its samples."""
        code = self.code
        last = code.sub(self.end, 1)
        with code.loop(begin, stop, self.stage.rows) as sample:
            rows = range(self.stage.rows)
            yield sample, [code.smaller(code.add(sample, r), last) for r in rows]

    @contextmanager
    def _where_some_count(self, samples: Sequence[ir.Value]) -> Iterator[None]:
        if self.stage.idle is None:
            yield
            return
        with self.code.b.if_then(self._any_counts(samples)):
            yield

    def _any_counts(self, samples: Sequence[ir.Value]) -> ir.Value:
        """Whether the mask lets this moment count for one of the samples."""
        code = self.code
        half = ir.Constant(code.number, 0.5)
        rows = [self.time_loop.row(Place(MASK, 0, 1), sample) for sample in samples]
        found = [code.b.fcmp_ordered(">", code.load(row), half) for row in rows]
        return functools.reduce(code.b.or_, found)

    # -- accumulators: sums[sum][row][vector] --------------------------------------

    def zeros(self) -> Sums:
        zero, stage = self.code.constant(0.0), self.stage
        return [[[zero] * stage.vectors for _ in range(stage.rows)] for _ in stage.sums]

    def put(self, address: ir.Value, sums: Sums) -> None:
        flat = [value for found in sums for row in found for value in row]
        for k, value in enumerate(flat):
            self.code.store_vector(value, self.code.at(address, k * self.code.lanes))

    def get(self, address: ir.Value) -> Sums:
        code, stage = self.code, self.stage
        numbers = iter(range(len(stage.sums) * stage.rows * stage.vectors))

        def load() -> ir.Value:
            return code.load_vector(code.at(address, next(numbers) * code.lanes))

        return [
            [[load() for _ in range(stage.vectors)] for _ in range(stage.rows)]
            for _ in stage.sums
        ]

    # -- reductions ------------------------------------------------------------------

    @contextmanager
    def _summing(self, sample: ir.Value) -> Iterator[None]:
        """Sum over the units of one sample what its tiles compute."""
        code, summed = self.code, self.stage.summed
        with code.b.goto_entry_block():
            self.totals = [code.b.alloca(code.vector) for _ in summed]
        for total in self.totals:
            code.b.store(code.constant(0.0), total)
        yield
        for (node, place), total in zip(summed, self.totals, strict=True):
            vector = code.b.load(total, typ=code.vector)
            self._put_number(node, vector, self.stage.width, place, sample)

    def _reduce(self, reductions: Sequence[Reduction], sample: ir.Value) -> None:
        """Reduce values of one width side by side; alone, each waits for its sums."""
        code, width = self.code, reductions[0].operand.width
        rows = [self.time_loop.row(r.operand, sample) for r in reductions]
        combines = [self._combine(r.node.op.name) for r in reductions]
        starts = [
            code.constant(float("-inf") if r.node.op.name == "max" else 0.0)
            for r in reductions
        ]
        with code.fold(0, width, starts, code.lanes) as (unit, so_far, ends):
            mask = code.tail_mask(unit, width)
            for row, combine, start, total in zip(
                rows, combines, starts, so_far, strict=True
            ):
                vector = code.load_vector(code.at(row, unit), mask)
                if mask is not None:
                    vector = code.b.select(mask, vector, start)
                ends.append(combine(total, vector))
        for reduction, end in zip(reductions, ends, strict=True):
            self._put_number(reduction.node, end, width, reduction.result, sample)

    def _put_number(self, node: Node, vector, width: int, place: Place, sample) -> None:
        """Store what a reduction of `width` units comes to, from a vector of parts."""
        code = self.code
        value = code.across(vector, self._combine(node.op.name))
        if node.op.name == "mean":
            value = code.b.fmul(value, ir.Constant(code.number, 1.0 / width))
        code.store(value, self.time_loop.row(place, sample))

    def _combine(self, name: str) -> Callable:
        return self._larger if name == "max" else self.code.b.fadd

    def _larger(self, a: ir.Value, b: ir.Value) -> ir.Value:
        keep = self.code.b.fcmp_unordered("uno", a, a)  # not a number stays
        keep = self.code.b.or_(keep, self.code.b.fcmp_ordered(">", a, b))
        return self.code.b.select(keep, a, b)
