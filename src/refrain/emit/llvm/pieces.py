"""Emits a program for one sample and many steps: products of the input in pieces.

A step of one sample reads every weight once, and waits for them. What is multiplied
with the input alone is done for several steps at once, so that their weights are read
once for all of them. It is added up in the order of a single step: bits stay the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from llvmlite import ir

from refrain.emit.llvm.code import I1, Code
from refrain.emit.llvm.gemm import UNROLL, Sums, multiply_rows
from refrain.emit.llvm.sweep import Sweep
from refrain.emit.llvm.time_loop import TimeLoop
from refrain.graph.node import Node
from refrain.plan.layout import SPARE
from refrain.plan.program import SEQUENCE, Loop, Part, Program, Stage

ROOM = 64 << 10  # bytes of sums that wait for their step
MOST = 32  # steps of a piece


class PieceLoop(TimeLoop):
    """Writes the loop over time of one sample."""

    def __init__(self, code: Code, program: Program, parts: dict[Node, Part]):
        super().__init__(code, program, parts)
        inputs = {b.name for b in program.inputs if b.kind == SEQUENCE}
        first = [(stage, _first_loops(stage, inputs)) for stage in program.stages]
        stages = [stage for stage, loops in first if loops]
        each = code.lanes * code.bytes * sum(map(self._vectors, stages))
        self.steps_of_a_piece = min(MOST, ROOM // each) if each else 1
        if self.steps_of_a_piece < 2:  # too wide a network: nothing can wait
            self.steps_of_a_piece, stages = 1, []
        self.known = {id(stage): loops for stage, loops in first if stage in stages}
        self.waiting: dict[int, ir.Value] = {}
        for stage in stages:
            room = self.steps_of_a_piece * self._vectors(stage)
            self.waiting[id(stage)] = code.b.alloca(code.vector, room)

    @contextmanager
    def steps(self) -> Iterator[ir.Value]:
        code = self.code
        with code.loop(0, self.timesteps, self.steps_of_a_piece) as begin:
            end = code.smaller(code.add(begin, self.steps_of_a_piece), self.timesteps)
            for stage in self.program.stages:
                if id(stage) in self.known:
                    self._multiply(stage, begin, end)
            with code.loop(begin, end) as step:
                self.begin = begin
                yield step

    @contextmanager
    def blocks(self, count: int) -> Iterator[ir.Value]:
        """Blocks of units, at every other step from the last to the first.

        A step then finds the weights in the cache with which the one before has ended.
        """
        code = self.code
        odd = code.b.trunc(self.moment, I1)
        with code.loop(0, count) as j:
            yield code.b.select(odd, code.sub(code.int(count - 1), j), j)

    def ahead(self, stage: Stage) -> tuple[Loop, ...]:
        return self.known.get(id(stage), ())

    def sums(self, sweep: Sweep, j: ir.Value) -> Sums:
        if id(sweep.stage) not in self.known:
            return super().sums(sweep, j)
        step = self.code.sub(self.moment, self.begin)
        return sweep.get(self._place(sweep.stage, step, j))

    def _multiply(self, stage: Stage, begin: ir.Value, end: ir.Value) -> None:
        """The products of the input for steps [begin, end) of a piece."""
        code = self.code
        used = len(stage.sums) * stage.vectors
        rows = max(1, min(8, (code.target.registers - SPARE) // (used + 1)))
        many, one = Sweep(self, replace(stage, rows=rows)), Sweep(self, stage)
        last = code.sub(end, 1)
        with (
            code.loop(0, one.blocks) as j,
            code.loop(begin, end, rows) as first,
        ):
            moments = [code.smaller(code.add(first, r), last) for r in range(rows)]
            sums = many.zeros()
            for loop in self.known[id(stage)]:
                whole = code.int(loop.length - loop.length % UNROLL)
                lefts, packed = self._operands(one, loop, j, moments)
                multiply_rows(
                    code, stage, loop, lefts, packed, sums, code.int(0), whole
                )
            for r, moment in enumerate(moments):
                place = self._place(stage, code.sub(moment, begin), j)
                one.put(place, [[row[r]] for row in sums])

    def _operands(self, sweep: Sweep, loop: Loop, j, moments: list[ir.Value]):
        """Where a loop reads at each of some moments, and its weights."""
        lefts: list[list[ir.Value]] = [[] for _ in loop.lefts]
        packed = None
        for moment in moments:
            self.moment = moment  # of which the sweep asks for operands
            rows, packed = sweep.operands(loop, j, [self.first])
            for left, (row,) in zip(lefts, rows, strict=True):
                left.append(row)
        return lefts, packed

    def _place(self, stage: Stage, step: ir.Value, j: ir.Value) -> ir.Value:
        """Where the sums of a block of units wait for a step of the piece."""
        code, each = self.code, len(stage.sums) * stage.vectors
        number = code.add(code.mul(step, self._vectors(stage) // each), j)
        return code.at(self.waiting[id(stage)], code.mul(number, each * code.lanes))

    def _vectors(self, stage: Stage) -> int:
        """Vectors of all sums of a stage, for one step."""
        blocks = -(-stage.width // (stage.vectors * self.code.lanes))
        return blocks * len(stage.sums) * stage.vectors


def _first_loops(stage: Stage, inputs: set[str]) -> tuple[Loop, ...]:
    """The loops that a stage begins with and that read nothing but the input."""
    for k, loop in enumerate(stage.loops):
        if any(left.buffer not in inputs for left in loop.lefts):
            return stage.loops[:k]
    return stage.loops
