"""Emits the weight gradients: left ᵀ @ right, summed over all samples and steps.

The work is cut into tasks by columns of the result. One task sums all samples and
steps in one order, so that results do not depend on the number of threads. Samples and
steps are taken in blocks that stay in cache.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llvmlite import ir

from refrain.emit.llvm.code import ENTRY, Code
from refrain.emit.llvm.control import flush_denormals
from refrain.emit.llvm.vectors import Target
from refrain.plan.program import HISTORY, Gathering, Place, WeightProduct, WeightSum

BLOCK = 64  # steps of one sample that are gathered before the result is touched
VECTORS = 4


@dataclass(frozen=True)
class GatherTask:
    """Some columns of one weight's gradient."""

    work: WeightProduct | WeightSum
    first: int  # column
    columns: int


def gather_tasks(gathering: Gathering, target: Target) -> list[GatherTask]:
    """The tasks that threads share out, in the order of their numbers."""
    block = VECTORS * target.width
    tasks: list[GatherTask] = []
    for work in (*gathering.products, *gathering.sums):
        if not work.part.shape:  # a trained number: all columns belong to it
            tasks.append(GatherTask(work, 0, work.right.width))
            continue
        width = work.part.shape[-1]
        tasks += [
            GatherTask(work, first, min(block, width - first))
            for first in range(0, width, block)
        ]
    return tasks


def emit_gathering(
    module: ir.Module, name: str, gathering: Gathering, target: Target
) -> None:
    """Add `<name>_run` to a module: tasks [first, last)."""
    tasks = gather_tasks(gathering, target)
    code = Code(ir.Function(module, ENTRY, f"{name}_run"), target)
    pointers, batch, timesteps, start, end = code.function.args
    with flush_denormals(code), code.loop(start, end) as number:
        after = code.function.append_basic_block("next")
        choice = code.b.switch(number, after)
        for index, task in enumerate(tasks):
            kind = ir.FunctionType(
                ir.VoidType(), [pointers.type, batch.type, batch.type]
            )
            function = ir.Function(module, kind, f"{name}_{index}")
            function.linkage = "internal"
            _GatherOne(Code(function, target), gathering, task).emit()
            block = code.function.append_basic_block("task")
            choice.add_case(ir.Constant(number.type, index), block)
            code.b.position_at_end(block)
            code.b.call(function, [pointers, batch, timesteps])
            code.b.branch(after)
        code.b.position_at_end(after)
    code.b.ret_void()


class _GatherOne:
    def __init__(self, code: Code, gathering: Gathering, task: GatherTask):
        self.code = code
        self.task = task
        self.pointers, self.batch, self.timesteps = code.function.args
        self.buffers = {b.name: b for b in gathering.buffers}
        self.base = {
            b.name: code.pointer(self.pointers, i)
            for i, b in enumerate(gathering.buffers)
        }
        part = task.work.part
        self.result = code.at(self.base[f"grad_{part.variable}"], part.offset)
        self.vectors = -(-task.columns // code.lanes)
        self.masks = [
            code.tail_mask(v * code.lanes, task.columns) for v in range(self.vectors)
        ]

    def emit(self) -> None:
        if isinstance(self.task.work, WeightSum):
            self._sum(self.task.work)
        else:
            self._product(self.task.work)
        self.code.b.ret_void()

    def _product(self, work: WeightProduct) -> None:
        code = self.code
        width = work.left.width
        spare = code.target.registers - self.vectors - 1
        rows = max(1, min(width, 8, spare // self.vectors))
        zero = code.constant(0.0)
        with code.loop(0, width) as m:
            for v in range(self.vectors):
                self._put(m, v, zero)

        def tile(first, count: int, sample, begin, end) -> None:
            start = [zero] * (count * self.vectors)
            lefts = self._walk(work.left, sample, begin)
            rights = self._walk(work.right, sample, begin)
            with code.fold(begin, end, [*start, lefts[0], rights[0]]) as (_, now, ends):
                *sums, left, right = now
                columns = [
                    code.load_vector(code.at(right, v * code.lanes))
                    for v in range(self.vectors)
                ]
                for r in range(count):
                    value = code.spread(code.load(code.at(left, code.add(first, r))))
                    ends += [
                        code.multiply_add(value, column, sums[r * self.vectors + v])
                        for v, column in enumerate(columns)
                    ]
                ends += [code.at(left, lefts[1]), code.at(right, rights[1])]
            for r in range(count):
                for v in range(self.vectors):
                    self._add(code.add(first, r), v, ends[r * self.vectors + v])

        def block(sample, begin, end) -> None:
            whole = width - width % rows
            with code.loop(0, whole, rows) as first:
                tile(first, rows, sample, begin, end)
            if width % rows:
                tile(code.int(whole), width % rows, sample, begin, end)

        self._blocks(block)

    def _sum(self, work: WeightSum) -> None:
        code = self.code
        zero = code.constant(0.0)
        scalar = not work.part.shape
        vectors = [code.b.alloca(code.vector) for _ in range(self.vectors)]
        for v in vectors:
            code.b.store(zero, v)

        def block(sample, begin, end) -> None:
            pointer, stride = self._walk(work.right, sample, begin)
            start = [zero] * self.vectors
            with code.fold(begin, end, [*start, pointer]) as (_, now, ends):
                *sums, right = now
                for v, so_far in enumerate(sums):
                    column = code.load_vector(code.at(right, v * code.lanes))
                    ends.append(code.b.fadd(so_far, column))
                ends.append(code.at(right, stride))
            for v, total in enumerate(vectors):
                so_far = code.b.load(total, typ=code.vector)
                code.b.store(code.b.fadd(so_far, ends[v]), total)

        self._blocks(block)
        found = [code.b.load(v, typ=code.vector) for v in vectors]
        if not scalar:
            for v, value in enumerate(found):
                self._put(code.int(0), v, value)
            return
        if work.right.width == 1:
            code.store(code.lane(found[0], 0), self.result)
            return
        total = zero
        for value, mask in zip(found, self.masks, strict=True):
            if mask is not None:
                value = code.b.select(mask, value, zero)
            total = code.b.fadd(total, value)
        code.store(code.across(total, code.b.fadd), self.result)

    def _blocks(self, block: Callable) -> None:
        code = self.code
        with (
            code.loop(0, self.batch) as sample,
            code.loop(0, self.timesteps, BLOCK) as begin,
        ):
            block(sample, begin, code.smaller(code.add(begin, BLOCK), self.timesteps))

    def _walk(self, place: Place, sample, moment) -> tuple[ir.Value, ir.Value]:
        """Where a value lies at a moment, and how far it is to the next moment."""
        code, buffer = self.code, self.buffers[place.buffer]
        moments = self.timesteps
        stride = buffer.width
        if buffer.kind == HISTORY:
            moments = code.add(moments, 1)
            moment = code.add(moment, place.shift)
        if buffer.against_time:
            moment = code.sub(code.sub(self.timesteps, 1), moment)
            stride = -stride
        entry = code.add(code.mul(sample, moments), moment)
        first = self.task.first if place is self.task.work.right else 0
        offset = code.add(code.mul(entry, buffer.width), place.offset + first)
        return code.at(self.base[place.buffer], offset), code.int(stride)

    def _address(self, row, vector: int) -> ir.Value:
        column = self.task.first + vector * self.code.lanes
        stride = self.task.work.part.stride
        return self.code.at(
            self.result, self.code.add(self.code.mul(row, stride), column)
        )

    def _put(self, row, vector: int, value: ir.Value) -> None:
        self.code.store_vector(value, self._address(row, vector), self.masks[vector])

    def _add(self, row, vector: int, value: ir.Value) -> None:
        address = self._address(row, vector)
        so_far = self.code.load_vector(address, self.masks[vector])
        self.code.store_vector(
            self.code.b.fadd(so_far, value), address, self.masks[vector]
        )
