"""One step with its weights as code that needs nothing else, for any processor.

Weights are packed here, by the code that kernels pack them with, so that a chip holds
each number once and starts at once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from llvmlite import binding as llvm
from llvmlite import ir

from refrain.emit.llvm.standalone import (
    INPUT,
    OUTPUT,
    TABLE,
    Memory,
    Weights,
    emit_standalone,
)
from refrain.emit.llvm.storage import stored
from refrain.emit.llvm.team import emit_team
from refrain.emit.llvm.time_loop import emit_prepare
from refrain.emit.llvm.vectors import Target
from refrain.graph.node import Node
from refrain.plan.layout import PACKED, Machine
from refrain.plan.passes import Plan, make_plan
from refrain.plan.program import SHARED, Part, Program
from refrain.plan.show import show
from refrain.plan.task import Task
from refrain.runtime import cache as disk
from refrain.runtime.compile import Library, compile_object

Arrays = Mapping[str, np.ndarray]
Emit = Callable[[ir.Module], None]  # adds functions to a module
_PREPARE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *[ctypes.c_int64] * 4)
_RUN = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, ctypes.c_size_t, ctypes.c_void_p)


@dataclass(frozen=True)
class Standalone:
    """Object code of `<name>_init`, `_reset`, `_step` and `_run`.

    Attributes:
        name: what the functions are called after.
        code: an object file.
        features, outputs: numbers that enter and leave a step.
        memory: what a stream needs.
        weights: in the code, or to be passed.
        words: what enters is a whole number below this, of 32 bits; None for numbers
            of the target's dtype.
    """

    name: str
    code: bytes
    features: int
    outputs: int
    memory: Memory
    weights: Weights
    words: int | None = None

    def run(self, x: np.ndarray, target: Target) -> np.ndarray:
        """Outputs `(timesteps, outputs)` for `(timesteps, features)`, on this machine.

        Where words enter, `x` is `(timesteps,)` whole numbers.

        The code is for this machine's `target`, with its weights inside.
        """
        run = _RUN(Library(self.code, target).address(f"{self.name}_run"))
        kind = target.dtype if self.words is None else "int32"
        x = np.ascontiguousarray(x, kind)
        y = np.empty((len(x), self.outputs), target.dtype)
        stream = np.zeros(self.memory.size, target.dtype)
        run(stream.ctypes.data, x.ctypes.data, len(x), y.ctypes.data)
        return y


def compile_step(
    name: str,
    task: Task,
    variables: Arrays,
    target: Target,
    inside: bool = True,
    sessions: int = 1,
    table: np.ndarray | None = None,
    team: bool = False,
) -> Standalone:
    """Compile a step for a processor.

    Args:
        name: what the functions are called after.
        task: the step, without a gradient, whose output leaves at every step.
        variables: the numbers of each variable.
        target: the processor.
        inside: the weights are part of the code; without them it is kept on disk.
        sessions: sequences that go on together, side by side in all arrays.
        table: `(words, features)`: a step is given the number of a row. Another number
            makes everything NaN.
        team: with `<name>_lead` and `<name>_assist`, for two threads.
    """
    machine = Machine(target.width, target.registers, rows=sessions)
    planned = _Planned.of(replace(task, machine=machine), target)
    constants = _constants(planned, variables)
    if table is not None:
        beyond = np.full_like(table[:1], np.nan)
        constants[TABLE] = np.concatenate([table, beyond])
    weights = Weights.of(constants, inside)
    memory = Memory.of(planned.program, sessions)
    words = None if table is None else len(table)

    def emit(module: ir.Module) -> None:
        given = (module, name, planned.program, planned.parts, target, weights, memory)
        emit_standalone(*given, words)
        if team:
            emit_team(*given)

    made = (weights.offsets, memory, words, team)
    code = planned.compiled(emit) if inside else planned.kept(emit, name, *made)
    widths = {b.name: b.width for b in planned.program.buffers}
    return Standalone(
        name,
        code,
        widths[INPUT] if words is None else 1,
        widths[OUTPUT],
        memory,
        weights,
        words,
    )


@dataclass(frozen=True)
class _Planned:
    """A program for a processor, and where each weight leaf lies."""

    task: Task
    program: Program
    parts: dict[Node, Part]
    target: Target

    @staticmethod
    def of(task: Task, target: Target) -> _Planned:
        leaves = task.graph.leaves
        parts = {leaves[n]: p for n, p in task.parts.items() if n in leaves}
        return _Planned(task, make_plan(task).forward, parts, target)

    def compiled(self, emit: Emit) -> bytes:
        """Object code of what `emit` adds to a module."""
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        module = ir.Module(self.task.graph.name)
        module.triple = self.target.triple
        emit(module)
        return compile_object(str(module), self.target)

    def kept(self, emit: Emit, *chosen: Any) -> bytes:
        """The same from the disk if it is there; then nothing is emitted.

        Args:
            emit: adds code that holds no weights.
            chosen: all that the code depends on beside the plan and the processor.
        """
        plan = show(Plan(self.program))
        parts = repr(sorted(self.task.parts.items()))
        sizes = repr(sorted(self.task.sizes.items()))
        key = disk.key(plan, parts, sizes, repr(self.target), repr(chosen))
        return disk.load_or_make(key, lambda: self.compiled(emit))[0]


def _constants(planned: _Planned, variables: Arrays) -> dict[str, np.ndarray]:
    """What a step reads of weights: as prepared, and variables with vectors."""
    program, target = planned.program, planned.target
    read = {p.variable for p in planned.parts.values() if len(p.shape) < 2}
    found = {n: np.asarray(a, target.dtype) for n, a in variables.items() if n in read}
    prepared = _prepared(planned, variables)
    if PACKED in prepared:
        packed = prepared[PACKED]
        prepared[PACKED] = stored(program, packed, target.width, target.weights)
    return found | prepared


def _prepared(planned: _Planned, variables: Arrays) -> dict[str, np.ndarray]:
    """Matrices as tiles of the target's vectors read them, and values of weights."""
    dtype = planned.target.dtype
    here = replace(Target.host(dtype), width=planned.target.width)
    # Only shared buffers are touched here.
    outputs = tuple(b for b in planned.program.outputs if b.kind == SHARED)
    if not outputs:
        return {}
    program = replace(planned.program, outputs=outputs)

    def emit(module: ir.Module) -> None:
        emit_prepare(module, "prepare", program, planned.parts, here)

    code = replace(planned, program=program, target=here).kept(emit, "prepare")
    prepare = _PREPARE(Library(code, here).address("prepare"))
    prepared = {b.name: np.zeros(b.width, dtype) for b in outputs}
    given = {n: np.ascontiguousarray(a, dtype) for n, a in variables.items()}
    given |= prepared
    addresses = [
        given[b.name].ctypes.data if b.name in given else None for b in program.buffers
    ]
    pointers = (ctypes.c_void_p * len(addresses))(*addresses)
    prepare(ctypes.addressof(pointers), 1, 1, 0, 1)
    return prepared
