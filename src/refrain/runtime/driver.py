"""From a cell to a kernel: composes the stages.

trace → simplify → derive → plan → emit → compile → cache. Everything else in the
package is used through `kernel_for`.
"""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from llvmlite import ir

from refrain.cells import SizedCell
from refrain.cells.weights import Variable
from refrain.derive.simplify import simplify
from refrain.emit.llvm.gather import emit_gathering
from refrain.emit.llvm.gather_tasks import gather_tasks
from refrain.emit.llvm.time_loop import emit_program
from refrain.emit.llvm.vectors import Target
from refrain.emit.llvm.xla import LIMIT, emit_handler
from refrain.errors import KernelError
from refrain.graph.changes import Changes, changed
from refrain.graph.graph import Graph
from refrain.graph.linear import linear_levels
from refrain.graph.node import Shape
from refrain.plan.layout import Machine
from refrain.plan.passes import Plan, derive_gradient, make_plan
from refrain.plan.program import SEQUENCE, Gathering, Part, Program
from refrain.plan.show import show
from refrain.plan.tape import choose_saved
from refrain.plan.task import Task
from refrain.runtime import cache as disk
from refrain.runtime.compile import Library, compile_object
from refrain.runtime.locks import Lock
from refrain.runtime.processors import chosen_threads


@dataclass(frozen=True)
class Request(Changes):
    """What a kernel is wanted for: a cell, how to run it, and changes of its equations.

    Attributes:
        sized: the cell.
        features: size of the input, one-hot or not.
        dtype: `float32` or `float64`.
        training: with the gradient.
        sequence: the outputs of all steps, not of the last one alone.
        against_time: read the input from its last step to its first.
        rows: samples that a thread is likely to have.
    """

    sized: SizedCell
    features: int
    dtype: str = "float32"
    training: bool = False
    sequence: bool = True
    against_time: bool = False
    rows: int = 16

    @property
    def every_output(self) -> bool:
        """The outputs of all steps leave; so do the states of all steps, if wanted."""
        return self.sequence or self.every_state

    @property
    def numbers(self) -> dict[str, int]:
        """The number for each symbolic size."""
        return {**self.sized.sizes, "features": self.features}

    def key(self) -> tuple:
        """Equal for requests that the same code serves."""
        sized = self.sized
        return (
            sized.cell,
            *(tuple(m.items()) for m in (sized.sizes, sized.options)),
            *(getattr(self, n) for n in self.__dataclass_fields__ if n != "sized"),
        )

    def variables(self, graph: Graph) -> tuple[Variable, ...]:
        """The arrays that hold the weights of a changed graph: the cell's own first."""
        starts = self.sized.starts()
        read = tuple(v for v in starts if v.name in graph.leaves)
        return (*self.sized.variables(self.features), *read)


@dataclass(frozen=True)
class Native:
    """One compiled program: its buffers, and the addresses of its entries."""

    program: Program | Gathering
    run: int
    prepare: int | None
    xla: int
    worker: int
    tasks: int | None  # None: the work is the samples of a batch

    @property
    def sequences(self) -> list[str]:
        """Names of the results that it has for each step."""
        return [b.name for b in self.program.outputs if b.kind == SEQUENCE]

    @cached_property
    def over(self) -> dict[int, int]:
        """Results that may be written over an argument: its index, and the result's."""
        program = self.program
        inputs = {b.name: k for k, b in enumerate(program.inputs)}
        outputs = enumerate(program.outputs)
        return {inputs[b.over]: k for k, b in outputs if b.over is not None}

    def check(self, arguments: Sequence[Any], batch: int, timesteps: int) -> None:
        """Refuse arrays that native code would read or write beyond their end.

        Raises:
            KernelError: a number of elements or a dtype is not the expected one.
        """
        dtype = arguments[0].dtype
        for buffer, array in zip(self.program.inputs, arguments, strict=True):
            shape = buffer.shape(batch, timesteps)
            if math.prod(array.shape) != math.prod(shape) or array.dtype != dtype:
                raise KernelError(
                    f"{buffer.name}: expected {dtype} of shape {shape}, received "
                    f"{array.dtype} of shape {tuple(array.shape)}"
                )


@dataclass(frozen=True)
class Kernel:
    """A cell's compiled code.

    Attributes:
        name: unique to the code.
        states: states that the kernel carries, `held` among them where it carries the
            output of the step before.
        forward, backward, gathering: the programs; the last two for training alone.
        plan: what they do; `plan.show.show` prints it.
        linear: the cell is linear in its states, unit by unit.
        target: the processor that the code is for.
        seconds: time to compile, or to load.
        cached: the code came from the disk cache.
        size: bytes of the code.
    """

    name: str
    states: tuple[str, ...]
    forward: Native
    backward: Native | None
    gathering: Native | None
    plan: Plan
    linear: bool
    target: Target
    seconds: float
    cached: bool
    size: int
    library: Library = field(repr=False)


_kernels: dict[tuple, Kernel] = {}
_lock = Lock()


def kernel_for(request: Request) -> Kernel:
    """The kernel for a request, compiled at most once in a process."""
    key = request.key()
    with _lock:
        if key not in _kernels:
            _kernels[key] = _make(request)
        return _kernels[key]


def step_graph(request: Request) -> tuple[Graph, tuple[str, ...]]:
    """The equations of one step with all changes in them, and their states."""
    states = tuple(request.sized.cell.states)
    keep_output = not request.every_output
    graph, states = changed(request.sized.graph, states, request, keep_output)
    return simplify(graph), states


def _plan(request: Request, target: Target) -> tuple[Task, Plan]:
    graph, states = step_graph(request)
    gradient = _gradient(request, graph) if request.training else None
    variables = request.variables(graph)
    task = Task(
        graph,
        gradient,
        states,
        request.numbers,
        parts_of(variables),
        {v.name: math.prod(v.shape) for v in variables},
        request.every_output,
        request.against_time,
        Machine(target.width, target.registers, request.rows),
    )
    return task, make_plan(task)


def _gradient(request: Request, graph: Graph) -> Graph:
    return derive_gradient(graph, request.numbers, request.every_output)


def tape_shapes(request: Request) -> list[Shape]:
    """What training keeps of each step for the gradient: states, and saved values."""
    graph, states = step_graph(request)
    parts = parts_of(request.variables(graph))
    weights = {n for name, n in graph.leaves.items() if name in parts}
    saved = choose_saved(graph, _gradient(request, graph), states, weights)
    return [n.shape for n in (*(graph.leaves[f"{s}_prev"] for s in states), *saved)]


def parts_of(variables: tuple[Variable, ...]) -> dict[str, Part]:
    """Where each weight leaf lies in the variables that pack them."""
    parts: dict[str, Part] = {}
    for variable in variables:
        rows = len(variable.weights)
        row_size = math.prod(variable.shape) // rows
        for row, (name, weight) in enumerate(variable.weights.items()):
            matrix = len(weight.shape) == 2
            stride = variable.shape[-1] if variable.shape else 1
            width = stride // weight.parts
            shape = (variable.shape[-2], width) if matrix else (width,)
            for k, gate in enumerate(weight.gates or ("",)):
                offset = row * row_size + k * width
                leaf = f"{name}.{gate}" if gate else name
                part = shape if weight.shape else ()
                parts[leaf] = Part(variable.name, offset, part, stride)
    return parts


def _make(request: Request) -> Kernel:
    start = time.perf_counter()
    target = Target.host(request.dtype)
    task, plan = _plan(request, target)
    parts = repr(sorted(task.parts.items()))
    key = disk.key(show(plan), parts, repr(target))
    code, cached = disk.load_or_make(
        key, lambda: compile_object(str(_module(task, plan, target)), target)
    )
    library = Library(code, target)
    limit = library.address(LIMIT)
    ctypes.c_int64.from_address(limit).value = chosen_threads()

    def native(name: str, program: Program | Gathering) -> Native:
        gathers = isinstance(program, Gathering)
        return Native(
            program,
            library.address(f"{name}_run"),
            None if gathers else library.address(f"{name}_prepare"),
            library.address(f"{name}_xla"),
            library.address(f"{name}_worker"),
            len(gather_tasks(program, target)) if gathers else None,
        )

    return Kernel(
        name=f"refrain_{key[:16]}",
        states=task.states,
        forward=native("forward", plan.forward),
        backward=plan.backward and native("backward", plan.backward),
        gathering=plan.gathering and native("gathering", plan.gathering),
        plan=plan,
        linear=bool(linear_levels(task.graph, task.states)),
        target=target,
        seconds=time.perf_counter() - start,
        cached=cached,
        size=len(code),
        library=library,
    )


def _module(task: Task, plan: Plan, target: Target) -> ir.Module:
    module = ir.Module(task.graph.name)
    module.triple = target.triple
    leaves = task.graph.leaves
    parts = {leaves[n]: p for n, p in task.parts.items() if n in leaves}
    for name, program in (("forward", plan.forward), ("backward", plan.backward)):
        if program is not None:
            emit_program(module, name, program, parts, target)
            _handler(module, name, program, None)
    if plan.gathering is not None:
        emit_gathering(module, "gathering", plan.gathering, target)
        tasks = len(gather_tasks(plan.gathering, target))
        _handler(module, "gathering", plan.gathering, tasks)
    return module


def _handler(module: ir.Module, name: str, program: Any, tasks: int | None) -> None:
    counts = len(program.inputs), len(program.outputs)
    emit_handler(module, name, *counts, program.work, tasks)
