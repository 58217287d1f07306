"""Emits a program: packing of weights, and the loop over time for a range of samples.

Threads take ranges of samples through the whole sequence, so nothing waits within it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace

from llvmlite import ir

from refrain.emit.llvm.code import ENTRY, I1, I64, Code
from refrain.emit.llvm.control import ask_for_large_pages, flush_denormals
from refrain.emit.llvm.gemm import Sums
from refrain.emit.llvm.pack import pack_loop
from refrain.emit.llvm.sweep import Sweep
from refrain.emit.llvm.vectors import Target
from refrain.graph.node import Node
from refrain.plan.layout import PACKED
from refrain.plan.program import (
    CARRY,
    HISTORY,
    SAMPLE,
    SEQUENCE,
    Copy,
    Loop,
    Part,
    Place,
    Program,
    Stage,
)

CACHE = 1 << 20  # bytes: half of what a processor has for itself


def emit_program(
    module: ir.Module,
    name: str,
    program: Program,
    parts: dict[Node, Part],
    target: Target,
) -> None:
    """Add `<name>_prepare` and `<name>_run` to a module.

    `<name>_run` does samples [first, last) of all buffers; `<name>_prepare` comes
    before it, packs the weights, computes what depends on them alone, and asks for
    large pages.
    """
    emit_prepare(module, f"{name}_prepare", program, parts, target)
    emit_run(module, f"{name}_run", program, parts, target)


def emit_run(
    module: ir.Module,
    name: str,
    program: Program,
    parts: dict[Node, Part],
    target: Target,
    loop: type[TimeLoop] | None = None,
) -> ir.Function:
    """Add the function that does samples [first, last) of all buffers.

    `loop` is another form of the loop over time.
    """
    function = ir.Function(module, ENTRY, name)
    (loop or TimeLoop)(Code(function, target), program, parts).emit()
    return function


def emit_prepare(
    module: ir.Module,
    name: str,
    program: Program,
    parts: dict[Node, Part],
    target: Target,
) -> None:
    """Add the function that comes before all samples; see `emit_program`."""
    code = Code(ir.Function(module, ENTRY, name), target)
    _, batch, timesteps, *_ = code.function.args
    ahead = TimeLoop(code, replace(program, stages=program.ahead), parts)
    base = ahead.base
    for buffer in program.outputs:
        if buffer.kind in (SEQUENCE, HISTORY):
            width = buffer.width * code.bytes
            size = code.mul(code.mul(batch, timesteps), width)
            ask_for_large_pages(code, base[buffer.name], size)
    for stage in program.stages:
        for loop in stage.loops:
            pack_loop(code, stage, loop, base[PACKED], base)
    ahead.first, ahead.end = code.int(0), code.int(1)
    for stage in program.ahead:
        Sweep(ahead, stage).emit()
    code.b.ret_void()


class TimeLoop:
    """Writes a program for a range of samples."""

    def __init__(self, code: Code, program: Program, parts: dict[Node, Part]):
        self.code = code
        self.program = program
        self.parts = parts
        pointers, _, self.timesteps, self.first, self.end = code.function.args[:5]
        self.buffers = {b.name: b for b in program.buffers}
        self.base = {
            b.name: code.pointer(pointers, i) for i, b in enumerate(program.buffers)
        }
        self.moment: ir.Value | None = None
        self.for_later = program.for_later()
        self.is_long = self._is_long()

    def emit(self) -> None:
        code, program = self.code, self.program
        with flush_denormals(code):
            start = self.timesteps if program.backward else code.int(0)
            # Before the loop the moment is one step ahead of the first.
            self.moment = code.sub(start, 1) if program.backward else start
            self._copy(program.first, inwards=True)
            with self.steps() as step:
                self.moment = step
                if program.backward:
                    self.moment = code.sub(code.sub(self.timesteps, 1), step)
                for stage in program.stages:
                    Sweep(self, stage).emit()
            self.moment = code.int(0)
            if not program.backward:
                self.moment = code.sub(self.timesteps, 1)
            self._copy(program.last, inwards=False)
        if self.for_later:
            code.b.fence("seq_cst")
        code.b.ret_void()

    def steps(self) -> AbstractContextManager[ir.Value]:
        """The loop over time."""
        return self.code.loop(0, self.timesteps)

    def ahead(self, stage: Stage) -> tuple[Loop, ...]:
        """Loops of a stage that are done but for the rows that unrolling leaves."""
        del stage
        return ()

    def sums(self, sweep: Sweep, j: ir.Value) -> Sums:
        """What the accumulators of block j start from."""
        del j
        return sweep.zeros()

    def blocks(self, count: int) -> AbstractContextManager[ir.Value]:
        """A loop over the blocks of units of a product."""
        return self.code.loop(0, count)

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
        else:  # weights, and values of them alone: the same for all samples
            entry = code.int(0)
        offset = code.add(code.mul(entry, buffer.width), place.offset)
        return code.at(self.base[place.buffer], offset)

    def _is_long(self) -> ir.Value:
        """Whether what is left for later outgrows the cache and may pass it by.

        Rows are whole vectors: all their addresses divide as the first one does.
        """
        code = self.code
        if not self.for_later:
            return ir.Constant(I1, 0)
        (name,) = {place.buffer for place in self.for_later}
        rows = code.mul(code.sub(self.end, self.first), self.timesteps)
        numbers = code.mul(rows, self.buffers[name].width)
        large = code.b.icmp_signed(">", numbers, code.int(CACHE // code.bytes))
        start = code.b.ptrtoint(self.base[name], I64)
        rest = code.b.and_(start, code.int(code.lanes * code.bytes - 1))
        divides = code.b.icmp_signed("==", rest, code.int(0))
        return code.b.and_(large, divides)

    def _copy(self, copies: tuple[Copy, ...], inwards: bool) -> None:
        code = self.code
        with code.loop(self.first, self.end) as sample:
            for copy in copies:
                inside = self.row(copy.place, sample)
                outside = copy.sample and self.row(
                    Place(copy.sample, 0, copy.place.width), sample
                )
                source, target = (outside, inside) if inwards else (inside, outside)
                with code.loop(0, copy.place.width) as unit:
                    value = ir.Constant(code.number, 0.0)
                    if source is not None:
                        value = code.load(code.at(source, unit))
                    code.store(value, code.at(target, unit))
