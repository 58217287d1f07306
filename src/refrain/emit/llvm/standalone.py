"""Emits a program as functions that stand alone: for C, for WebAssembly, for a chip.

A stream is one block of memory that the caller provides: the states first, then what a
step needs to work. Nothing is allocated and nothing outside is called. A stream may be
of several sessions, which go on together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from llvmlite import ir

from refrain.emit.llvm.code import I32, I64, PTR, VOID, Code
from refrain.emit.llvm.pieces import PieceLoop
from refrain.emit.llvm.time_loop import TimeLoop, emit_run
from refrain.emit.llvm.vectors import Target
from refrain.graph.node import Node
from refrain.plan.program import SHARED, Buffer, Part, Program

FIRST, LAST = "first_", "last_"
INPUT, OUTPUT = "x", "y"
TABLE = "table"  # of the vectors of words
_ALIGNED = 64  # bytes: a cache line, and no vector is longer


@dataclass(frozen=True)
class Memory:
    """Where the buffers of one stream lie in its block of memory.

    Attributes:
        offsets: the first number of each buffer.
        widths: numbers of each state for one session.
        sessions: how many there are, side by side in each buffer.
        size: numbers of the whole block.
    """

    offsets: Mapping[str, int]
    widths: Mapping[str, int]
    sessions: int
    size: int

    @property
    def state(self) -> int:
        """Numbers of the states, which come first."""
        return self.sessions * sum(self.widths.values())

    @staticmethod
    def of(program: Program, sessions: int = 1) -> Memory:
        """The block of memory that a program needs for one stream."""
        firsts = [b for b in program.inputs if b.name.startswith(FIRST)]
        widths = {b.name: b.width for b in firsts}
        offsets, end = {}, 0
        for buffer in (*firsts, *_working(program)):
            offsets[buffer.name] = end
            end += int(np.prod(buffer.shape(sessions, 1)))
        for buffer in firsts:  # a step writes the new state over the old one
            offsets[LAST + buffer.name.removeprefix(FIRST)] = offsets[buffer.name]
        return Memory(offsets, widths, sessions, end)


def _working(program: Program) -> list[Buffer]:
    """What a step writes besides its output and the states, and forgets."""
    return [
        b
        for b in program.outputs
        if b.kind != SHARED and b.name != OUTPUT and not b.name.startswith(LAST)
    ]


@dataclass(frozen=True)
class Weights:
    """All numbers that steps read and never write, in one array.

    Attributes:
        offsets: the first number of each buffer.
        numbers: the array.
        inside: the array is part of the code; else a caller passes it.
    """

    offsets: Mapping[str, int]
    numbers: np.ndarray
    inside: bool

    @staticmethod
    def of(constants: Mapping[str, np.ndarray], inside: bool) -> Weights:
        """Constants side by side, each from the start of a cache line."""
        offsets, parts, end = {}, [], 0
        for name, array in constants.items():
            offsets[name] = end
            line = _ALIGNED // array.itemsize
            parts.append(np.pad(array.ravel(), (0, -array.size % line)))
            end += parts[-1].size
        numbers = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        return Weights(offsets, numbers, inside)


def emit_standalone(
    module: ir.Module,
    name: str,
    program: Program,
    parts: dict[Node, Part],
    target: Target,
    weights: Weights,
    memory: Memory,
    words: int | None = None,
) -> None:
    """Add `<name>_init`, `_reset`, `_step` and `_run` to a module.

    Args:
        module: of the target's triple.
        name: what the functions are called after.
        program: a forward program whose output leaves at every step.
        parts: where each weight leaf lies.
        target: the processor.
        weights: the numbers of each shared buffer that a step reads.
        memory: what a stream needs.
        words: frames are whole numbers below this, each a row of the table among the
            weights; any other number takes the row behind the last one.
    """
    loops: dict[str, type[TimeLoop]] = {"step": TimeLoop}
    if not weights.inside and memory.sessions == 1:  # a chip has no room for pieces
        loops["run"] = PieceLoop
    bounds: dict[str, Bound] = {}
    for steps, loop in loops.items():
        run = emit_run(module, f"{name}_{steps}_program", program, parts, target, loop)
        run.linkage = "internal"
        bounds[steps] = Bound(run, program, memory, weights)
    inside = _array(module, f"{name}_weights", weights) if weights.inside else None
    _emit_zeros(module, f"{name}_init", memory.size, target)
    _emit_zeros(module, f"{name}_reset", memory.state, target)
    for steps in ("step", "run"):
        code = _open(module, f"{name}_{steps}", steps == "run", inside, target)
        _emit_steps(code, bounds.get(steps, bounds["step"]), inside, words)
    for function in (f for f in module.functions if f.name.startswith(name)):
        # Or the optimiser makes calls of memcpy and memset of loops that copy and
        # clear, which a chip may not have. llvmlite does not list this attribute.
        set.add(function.attributes, '"no-builtins"')


def _array(module: ir.Module, name: str, weights: Weights) -> ir.GlobalVariable:
    data = bytearray(weights.numbers.tobytes())
    kind = ir.ArrayType(ir.IntType(8), len(data))
    made = ir.GlobalVariable(module, kind, name)
    made.linkage, made.global_constant, made.align = "internal", True, _ALIGNED
    made.initializer = ir.Constant(kind, data)
    return made


def _emit_zeros(module: ir.Module, name: str, count: int, target: Target) -> None:
    """A function that sets the first numbers of a stream to zero."""
    function = ir.Function(module, ir.FunctionType(VOID, [PTR]), name)
    code = Code(function, target)
    with code.loop(0, count) as k:
        code.store(ir.Constant(code.number, 0.0), code.at(function.args[0], k))
    code.b.ret_void()


def _open(
    module: ir.Module, name: str, many: bool, inside: ir.Value | None, target: Target
) -> Code:
    """A function of stream, weights if they are not inside, input, steps, output."""
    counts = [ir.IntType(target.address_bits)] if many else []
    given = [] if inside is not None else [PTR]
    kind = ir.FunctionType(VOID, [PTR, *given, PTR, *counts, PTR])
    return Code(ir.Function(module, kind, name), target)


@dataclass(frozen=True)
class Bound:
    """A program, and where its buffers lie."""

    run: ir.Function
    program: Program
    memory: Memory
    weights: Weights

    def width(self, name: str) -> int:
        """Numbers of one sample in a buffer."""
        return next(b.width for b in self.program.buffers if b.name == name)

    def call(
        self,
        code: Code,
        stream: ir.Value,
        array: ir.Value,
        x: ir.Value,
        steps: ir.Value,
        y: ir.Value,
        *more: ir.Value,
    ) -> None:
        """Call the program; `more` is what it takes beside its range of samples."""
        buffers = self.program.buffers
        with code.b.goto_entry_block():
            pointers = code.b.bitcast(code.b.alloca(PTR, len(buffers)), PTR)
        bases = (stream, self.memory.offsets), (array, self.weights.offsets)
        for index, buffer in enumerate(buffers):
            name = buffer.name
            address = {INPUT: x, OUTPUT: y}.get(name, ir.Constant(PTR, None))
            for base, offsets in bases:
                if name in offsets:
                    address = code.b.bitcast(code.at(base, offsets[name]), PTR)
            slot = code.b.gep(pointers, [code.int(index)], source_etype=PTR)
            code.b.store(address, slot)
        sessions = code.int(self.memory.sessions)
        code.b.call(self.run, [pointers, sessions, steps, code.int(0), sessions, *more])


def _emit_steps(
    code: Code, bound: Bound, inside: ir.Value | None, words: int | None
) -> None:
    """The body of `_step` or `_run`."""
    stream, *arguments, y = code.function.args
    inside = inside and code.b.bitcast(inside, PTR)
    array = inside or arguments.pop(0)
    x, *counts = arguments
    steps = code.int(1)
    for count in counts:
        steps = count if count.type == I64 else code.b.zext(count, I64)
    if words is None:
        bound.call(code, stream, array, x, steps, y)
    else:
        with code.loop(0, steps) as step:
            row = _row(code, bound, array, x, step, words)
            to = code.at(y, code.mul(step, bound.width(OUTPUT)))
            bound.call(code, stream, array, row, code.int(1), to)
    code.b.ret_void()


def _row(
    code: Code,
    bound: Bound,
    array: ir.Value,
    x: ir.Value,
    step: ir.Value,
    words: int,
) -> ir.Value:
    """The address of a word's vector."""
    address = code.b.gep(x, [step], source_etype=I32)
    number = code.b.load(address, typ=I32, align=4)
    last = ir.Constant(I32, words)
    there = code.b.icmp_unsigned("<", number, last)  # one below zero is large
    row = code.b.zext(code.b.select(there, number, last), I64)
    first = code.at(array, bound.weights.offsets[TABLE])
    return code.at(first, code.mul(row, bound.width(INPUT)))
