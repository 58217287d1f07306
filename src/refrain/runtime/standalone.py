"""One step with its weights as code that needs nothing else, for any processor.

Weights are packed here, by the code that kernels pack them with, so that a chip holds
each number once and starts at once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from llvmlite import binding as llvm
from llvmlite import ir

from refrain.emit.llvm.standalone import (
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
from refrain.plan.passes import Task, make_plan
from refrain.plan.program import SHARED, Part, Program
from refrain.runtime import cache as disk
from refrain.runtime.compile import Library, compile_object

Arrays = Mapping[str, np.ndarray]
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
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = Machine(target.width, target.registers, rows=sessions)
    program = make_plan(replace(task, machine=machine)).forward
    leaves = task.graph.leaves
    parts = {leaves[n]: p for n, p in task.parts.items() if n in leaves}
    constants = _constants(program, parts, target, variables)
    if table is not None:
        beyond = np.full_like(table[:1], np.nan)
        constants[TABLE] = np.concatenate([table, beyond])
    weights = Weights.of(constants, inside)
    module = ir.Module(name)
    module.triple = target.triple
    memory = Memory.of(program, sessions)
    words = None if table is None else len(table)
    emit_standalone(module, name, program, parts, target, weights, memory, words)
    if team:
        emit_team(module, name, program, parts, target, weights, memory)
    widths = {b.name: b.width for b in program.buffers}
    text = str(module)
    return Standalone(
        name,
        compile_object(text, target) if inside else _kept(text, target),
        widths["x"] if words is None else 1,
        widths[OUTPUT],
        memory,
        weights,
        words,
    )


def _kept(text: str, target: Target) -> bytes:
    """Object code that holds no weights, from the disk if it is there."""
    key = disk.key(text, repr(target))
    return disk.load_or_make(key, lambda: compile_object(text, target))[0]


def _constants(
    program: Program,
    parts: dict[Node, Part],
    target: Target,
    variables: Arrays,
) -> dict[str, np.ndarray]:
    """What a step reads of weights: as prepared, and variables with vectors."""
    read = {part.variable for part in parts.values() if len(part.shape) < 2}
    found = {n: np.asarray(a, target.dtype) for n, a in variables.items() if n in read}
    prepared = _prepared(program, parts, target, variables)
    if PACKED in prepared:
        packed = prepared[PACKED]
        prepared[PACKED] = stored(program, packed, target.width, target.weights)
    return found | prepared


def _prepared(
    program: Program,
    parts: dict[Node, Part],
    target: Target,
    variables: Arrays,
) -> dict[str, np.ndarray]:
    """Matrices as tiles of the target's vectors read them, and values of weights."""
    here = replace(Target.host(target.dtype), width=target.width)
    # Only shared buffers are touched here.
    outputs = tuple(b for b in program.outputs if b.kind == SHARED)
    if not outputs:
        return {}
    program = replace(program, outputs=outputs)
    module = ir.Module("prepare")
    module.triple = here.triple
    emit_prepare(module, "prepare", program, parts, here)
    prepare = _PREPARE(Library(_kept(str(module), here), here).address("prepare"))
    prepared = {b.name: np.zeros(b.width, target.dtype) for b in outputs}
    given = {n: np.ascontiguousarray(a, target.dtype) for n, a in variables.items()}
    given |= prepared
    addresses = [
        given[b.name].ctypes.data if b.name in given else None for b in program.buffers
    ]
    pointers = (ctypes.c_void_p * len(addresses))(*addresses)
    prepare(ctypes.addressof(pointers), 1, 1, 0, 1)
    return prepared
