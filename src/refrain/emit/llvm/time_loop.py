"""Emits a program: packing of weights, and the loop over time for a range of samples.

Threads take ranges of samples through the whole sequence, so nothing waits within it.
Tiles at the end of a range compute its last sample more than once, to the same result.
"""

from __future__ import annotations

import functools

from llvmlite import ir

from refrain.emit.llvm.code import ENTRY, Code
from refrain.emit.llvm.control import ask_for_large_pages, flush_denormals
from refrain.emit.llvm.gemm import multiply_tile, pack_loop
from refrain.emit.llvm.tile import Tile
from refrain.emit.llvm.vectors import Target
from refrain.graph.masking import MASK
from refrain.graph.node import Node
from refrain.plan.layout import PACKED
from refrain.plan.program import (
    CARRY,
    HISTORY,
    SAMPLE,
    SEQUENCE,
    Copy,
    Part,
    Place,
    Program,
    Reduction,
    Stage,
)


def emit_program(
    module: ir.Module,
    name: str,
    program: Program,
    parts: dict[Node, Part],
    target: Target,
) -> None:
    """Add `<name>_prepare` and `<name>_run` to a module.

    `<name>_run` does samples [first, last) of all buffers; `<name>_prepare` comes
    before it, packs the weights and asks for large pages.
    """
    _emit_prepare(module, f"{name}_prepare", program, target)
    function = ir.Function(module, ENTRY, f"{name}_run")
    _TimeLoop(Code(function, target), program, parts).emit()


def _emit_prepare(
    module: ir.Module, name: str, program: Program, target: Target
) -> None:
    code = Code(ir.Function(module, ENTRY, name), target)
    pointers, batch, timesteps, *_ = code.function.args
    base = {b.name: code.pointer(pointers, i) for i, b in enumerate(program.buffers)}
    for buffer in program.outputs:
        if buffer.kind in (SEQUENCE, HISTORY):
            width = buffer.width * code.bytes
            size = code.mul(code.mul(batch, timesteps), width)
            ask_for_large_pages(code, base[buffer.name], size)
    for stage in program.stages:
        for loop in stage.loops:
            pack_loop(code, stage, loop, base[PACKED], base)
    code.b.ret_void()


class _TimeLoop:
    def __init__(self, code: Code, program: Program, parts: dict[Node, Part]):
        self.code = code
        self.program = program
        self.parts = parts
        pointers, _, self.timesteps, self.first, self.end = code.function.args
        self.buffers = {b.name: b for b in program.buffers}
        self.base = {
            b.name: code.pointer(pointers, i) for i, b in enumerate(program.buffers)
        }
        self.moment: ir.Value | None = None

    def emit(self) -> None:
        code, program = self.code, self.program
        with flush_denormals(code):
            start = self.timesteps if program.backward else code.int(0)
            # Before the loop the moment is one step ahead of the first.
            self.moment = code.sub(start, 1) if program.backward else start
            self._copy(program.first, inwards=True)
            with code.loop(0, self.timesteps) as step:
                self.moment = step
                if program.backward:
                    self.moment = code.sub(code.sub(self.timesteps, 1), step)
                for stage in program.stages:
                    self._stage(stage)
            self.moment = code.int(0)
            if not program.backward:
                self.moment = code.sub(self.timesteps, 1)
            self._copy(program.last, inwards=False)
        code.b.ret_void()

    def row(self, place: Place, sample: ir.Value) -> ir.Value:
        """The address of a place's value for one sample, at this moment."""
        code, buffer = self.code, self.buffers[place.buffer]
        if buffer.kind == SAMPLE:
            entry = sample
        elif buffer.kind == SEQUENCE:
            moment = self.moment
            if buffer.against_time:
                moment = code.sub(code.sub(self.timesteps, 1), moment)
            entry = code.add(code.mul(sample, self.timesteps), moment)
        elif buffer.kind == HISTORY:
            moments = code.add(self.timesteps, 1)
            entry = code.add(
                code.mul(sample, moments), code.add(self.moment, place.shift)
            )
        elif buffer.kind == CARRY:
            moment = code.b.and_(code.add(self.moment, place.shift), code.int(1))
            entry = code.add(code.mul(sample, 2), moment)
        else:
            raise ValueError(f"{place.buffer}: {buffer.kind} has no samples")
        offset = code.add(code.mul(entry, buffer.width), place.offset)
        return code.at(self.base[place.buffer], offset)

    def _copy(self, copies: tuple[Copy, ...], inwards: bool) -> None:
        code = self.code
        with code.loop(self.first, self.end) as sample:
            for copy in copies:
                width = copy.place.width
                outside = self.row(Place(copy.sample, 0, width), sample)
                inside = self.row(copy.place, sample)
                source, target = (outside, inside) if inwards else (inside, outside)
                with code.loop(0, width) as unit:
                    code.store(code.load(code.at(source, unit)), code.at(target, unit))

    def _stage(self, stage: Stage) -> None:
        code = self.code
        if stage.reductions:
            with code.loop(self.first, self.end) as sample:
                for reduction in stage.reductions:
                    self._reduce(reduction, sample)
        if not stage.stores:
            return
        block = stage.vectors * code.lanes
        last = code.sub(self.end, 1)
        with (
            code.loop(0, -(-stage.width // block)) as j,
            code.loop(self.first, self.end, stage.rows) as sample,
        ):
            samples = [
                code.smaller(code.add(sample, r), last) for r in range(stage.rows)
            ]
            if stage.idle is None:
                self._tile(stage, j, samples)
            else:
                with code.b.if_else(self._any_counts(samples)) as (some, none):
                    with some:
                        self._tile(stage, j, samples)
                    with none:
                        self._tile(stage.idle, j, samples)

    def _any_counts(self, samples: list[ir.Value]) -> ir.Value:
        """Whether the mask lets this moment count for one of the samples."""
        code = self.code
        half = ir.Constant(code.number, 0.5)
        rows = [self.row(Place(MASK, 0, 1), sample) for sample in samples]
        found = [code.b.fcmp_ordered(">", code.load(row), half) for row in rows]
        return functools.reduce(code.b.or_, found)

    def _tile(self, stage: Stage, j: ir.Value, samples: list[ir.Value]) -> None:
        code = self.code
        zero = code.constant(0.0)
        sums = [
            [[zero] * stage.vectors for _ in samples] for _ in range(len(stage.sums))
        ]
        block = stage.vectors * code.lanes
        for loop in stage.loops:
            rows = [[self.row(left, s) for s in samples] for left in loop.lefts]
            size = loop.length * len(loop.terms) * block
            packed = code.at(
                self.base[PACKED], code.add(code.mul(j, size), loop.packed)
            )
            multiply_tile(code, stage, loop, rows, packed, sums)
        tile = Tile(self, stage, code.mul(j, block), samples, sums)
        for r in range(len(samples)):
            for v in range(stage.vectors):
                tile.store(r, v)

    def _reduce(self, reduction: Reduction, sample: ir.Value) -> None:
        code, place, kind = self.code, reduction.operand, reduction.node.op.name
        operand = self.row(place, sample)
        combine = code.b.fadd if kind != "max" else self._larger
        start = code.constant(0.0 if kind != "max" else float("-inf"))
        with code.fold(0, place.width, [start], code.lanes) as (unit, (so_far,), ends):
            vector = code.load_vector(code.at(operand, unit))
            mask = code.tail_mask(unit, place.width)
            if mask is not None:
                vector = code.b.select(mask, vector, start)
            ends.append(combine(so_far, vector))
        value = code.across(ends[0], combine)
        if kind == "mean":
            value = code.b.fmul(value, ir.Constant(code.number, 1.0 / place.width))
        code.store(value, self.row(reduction.result, sample))

    def _larger(self, a: ir.Value, b: ir.Value) -> ir.Value:
        keep = self.code.b.fcmp_unordered("uno", a, a)  # not a number stays
        keep = self.code.b.or_(keep, self.code.b.fcmp_ordered(">", a, b))
        return self.code.b.select(keep, a, b)
