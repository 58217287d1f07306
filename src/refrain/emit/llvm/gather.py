"""Emits the weight gradients: left ᵀ @ right, summed over all samples and steps.

The work is cut into tasks by columns of the result. One task sums all samples and
steps in one order, so that results do not depend on the number of threads. Samples and
steps are taken in blocks that stay in cache; steps that a mask leaves out at either
end of a sequence are passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from llvmlite import ir

from refrain.emit.llvm.code import ENTRY, I64, PTR, VOID, Code
from refrain.emit.llvm.control import flush_denormals
from refrain.emit.llvm.vectors import Target
from refrain.graph.masking import MASK
from refrain.plan.program import (
    HISTORY,
    SAMPLE,
    Gathering,
    Part,
    Place,
    WeightProduct,
    WeightRows,
    WeightSum,
)

Work = WeightProduct | WeightSum | WeightRows

BLOCK = 64  # steps of one sample that are gathered before the result is touched
VECTORS = 4
AHEAD = 48  # steps from which left operands are called into the cache


@dataclass(frozen=True)
class GatherTask:
    """Some columns of one weight's gradient.

    Attributes:
        work: the gradient, its places moved to the first of the columns.
        columns: how many.
        more: further products for the same weight, which the equations use more than
            once; their right places are relative to that of `work`.
    """

    work: Work
    columns: int
    more: tuple[WeightProduct, ...] = ()

    @property
    def alike(self) -> GatherTask:
        """The same for all tasks that differ only in where right and result begin."""
        right = replace(self.work.right, offset=0, width=self.columns)
        part = replace(self.work.part, offset=0)
        work = replace(self.work, right=right, part=part)
        return GatherTask(work, self.columns, self.more)


def gather_tasks(gathering: Gathering, target: Target) -> list[GatherTask]:
    """The tasks that threads share out, in the order of their numbers.

    Tasks of all gradients come in turn, so that any range of them is a fair share.
    """
    by_weight: dict[Part, list[WeightProduct]] = {}
    for product in gathering.products:
        by_weight.setdefault(product.part, []).append(product)
    placed: list[tuple[float, GatherTask]] = []
    alone = [[work] for work in (*gathering.sums, *gathering.rows)]
    for work, *more in [*by_weight.values(), *alone]:
        tasks = _tasks_of(work, _relative(work, more), VECTORS * target.width)
        placed += [((k + 0.5) / len(tasks), task) for k, task in enumerate(tasks)]
    return [task for _, task in sorted(placed, key=lambda found: found[0])]


def _tasks_of(
    work: Work, more: tuple[WeightProduct, ...], block: int
) -> list[GatherTask]:
    if not work.part.shape:  # a trained number: all columns belong to it
        return [GatherTask(work, work.right.width)]
    tasks = []
    width = work.part.shape[-1]
    for first in range(0, width, block):
        right = replace(work.right, offset=work.right.offset + first)
        part = replace(work.part, offset=work.part.offset + first)
        some = replace(work, right=right, part=part)
        tasks.append(GatherTask(some, min(block, width - first), more))
    return tasks


def _relative(
    first: Work, more: list[WeightProduct]
) -> tuple[WeightProduct, ...]:
    start = first.right.offset
    return tuple(
        replace(m, right=replace(m.right, offset=m.right.offset - start)) for m in more
    )


def emit_gathering(
    module: ir.Module, name: str, gathering: Gathering, target: Target
) -> None:
    """Add `<name>_run` to a module: tasks [first, last)."""
    functions: dict[GatherTask, ir.Function] = {}
    code = Code(ir.Function(module, ENTRY, f"{name}_run"), target)
    pointers, batch, timesteps, start, end = code.function.args
    with flush_denormals(code), code.loop(start, end) as number:
        after = code.function.append_basic_block("next")
        choice = code.b.switch(number, after)
        for index, task in enumerate(gather_tasks(gathering, target)):
            if task.alike not in functions:
                kind = ir.FunctionType(VOID, [PTR, *[I64] * 4])
                function = ir.Function(module, kind, f"{name}_{index}")
                function.linkage = "internal"
                functions[task.alike] = function
                _GatherOne(Code(function, target), gathering, task.alike).emit()
            block = code.function.append_basic_block("task")
            choice.add_case(ir.Constant(I64, index), block)
            code.b.position_at_end(block)
            where = code.int(task.work.right.offset), code.int(task.work.part.offset)
            code.b.call(functions[task.alike], [pointers, batch, timesteps, *where])
            code.b.branch(after)
        code.b.position_at_end(after)
    code.b.ret_void()


class _GatherOne:
    def __init__(self, code: Code, gathering: Gathering, task: GatherTask):
        self.code = code
        self.work = task.work
        self.more = task.more
        pointers, self.batch, self.timesteps, self.right, result = code.function.args
        self.buffers = {b.name: b for b in gathering.buffers}
        self.base = {
            b.name: code.pointer(pointers, i) for i, b in enumerate(gathering.buffers)
        }
        self.result = code.at(self.base[f"grad_{task.work.part.variable}"], result)
        self.vectors = -(-task.columns // code.lanes)
        self.masks = [
            code.tail_mask(v * code.lanes, task.columns) for v in range(self.vectors)
        ]

    def emit(self) -> None:
        if isinstance(self.work, WeightSum):
            self._sum(self.work)
        elif isinstance(self.work, WeightRows):
            self._rows(self.work)
        else:
            self._products(self.work, *self.more)
        self.code.b.ret_void()

    def _products(self, *products: WeightProduct) -> None:
        code = self.code
        # The block's columns side by side: few pages, read again for all rows.
        near = code.b.alloca(code.vector, BLOCK * self.vectors)
        self._clear(products[0].left.width)
        for product in products:
            self._product(product, near)

    def _product(self, work: WeightProduct, near: ir.Value) -> None:
        code = self.code
        width, columns = work.left.width, self.vectors * code.lanes
        spare = code.target.registers - self.vectors - 1
        rows = max(1, min(width, 8, spare // self.vectors))
        offset = code.add(self.right, work.right.offset)

        def block(sample, begin, end) -> None:
            right, stride = self._walk(work.right, offset, sample, begin)
            count = code.sub(end, begin)
            with code.loop(0, count) as t:
                for v in range(self.vectors):
                    source = code.add(code.mul(t, stride), v * code.lanes)
                    target = code.add(code.mul(t, columns), v * code.lanes)
                    value = code.load_vector(code.at(right, source))
                    code.store_vector(value, code.at(near, target))
            left, stride = self._walk(work.left, work.left.offset, sample, begin)
            scale = None
            if work.scale is not None:
                scale, _ = self._walk(work.scale, work.scale.offset, sample, 0)

            def tile(first, rows: int) -> None:
                sums = self._gather(rows, count, code.at(left, first), stride, near)
                self._add_rows(first, rows, sums, scale)

            whole = width - width % rows
            with code.loop(0, whole, rows) as first:
                tile(first, rows)
            if width % rows:
                tile(whole, width % rows)

        self._blocks(block)

    def _gather(self, rows: int, steps, left, stride, near) -> list[ir.Value]:
        """Products of a block's steps for some rows of the result."""
        code, vectors = self.code, range(self.vectors)
        zero = code.constant(0.0)
        start = [*[zero] * (rows * self.vectors), left, near]
        ahead = code.mul(stride, AHEAD)
        with code.fold(0, steps, start) as (_, (*sums, left, right), ends):
            code.prefetch(code.at(left, ahead))
            columns = [
                code.load_vector(code.at(right, v * code.lanes)) for v in vectors
            ]
            for r in range(rows):
                value = code.spread(code.load(code.at(left, r)))
                ends += [
                    code.multiply_add(value, columns[v], sums[r * self.vectors + v])
                    for v in vectors
                ]
            ends += [code.at(left, stride), code.at(right, self.vectors * code.lanes)]
        return ends[:-2]

    def _add_rows(self, first, rows: int, sums, scale: ir.Value | None) -> None:
        code = self.code
        for r in range(rows):
            row = code.add(first, r)
            factor = None
            if scale is not None:
                factor = code.spread(code.load(code.at(scale, row)))
            for v in range(self.vectors):
                value = sums[r * self.vectors + v]
                if factor is not None:
                    value = code.b.fmul(value, factor)
                self._add(row, v, value)

    def _sum(self, work: WeightSum) -> None:
        code = self.code
        zero = code.constant(0.0)
        vectors = [code.b.alloca(code.vector) for _ in range(self.vectors)]
        for v in vectors:
            code.b.store(zero, v)

        def block(sample, begin, end) -> None:
            pointer, stride = self._walk(work.right, self.right, sample, begin)
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

        if self.buffers[work.right.buffer].kind == SAMPLE:  # summed over time already
            with code.loop(0, self.batch) as sample:
                block(sample, 0, 1)
        else:
            self._blocks(block)
        found = [code.b.load(v, typ=code.vector) for v in vectors]
        if work.part.shape:
            for v, value in enumerate(found):
                self._put(code.int(0), v, value)
        else:
            self._put_number(work, found)

    def _rows(self, work: WeightRows) -> None:
        code = self.code
        self._clear(work.part.shape[0])

        def block(sample, begin, end) -> None:
            place = work.index
            starts = [
                *self._walk(place, place.offset, sample, begin),
                *self._walk(work.right, self.right, sample, begin),
            ]
            index, index_stride, right, stride = starts
            with code.fold(begin, end, [index, right]) as (_, (index, right), ends):
                ends += [code.at(index, index_stride), code.at(right, stride)]
                for v in range(self.vectors):
                    far = code.add(code.mul(stride, 16), v * code.lanes)
                    code.prefetch(code.at(right, far))
                row, exists = code.row_number(code.load(index), work.part.shape[0])
                with code.b.if_then(exists):
                    for v in range(self.vectors):
                        value = code.load_vector(code.at(right, v * code.lanes))
                        self._add(row, v, value)

        self._blocks(block)

    def _clear(self, rows: int) -> None:
        with self.code.loop(0, rows) as m:
            for v in range(self.vectors):
                self._put(m, v, self.code.constant(0.0))

    def _put_number(self, work: WeightSum, found: list[ir.Value]) -> None:
        """Store the gradient of a trained number: the sum of all columns."""
        code = self.code
        if work.right.width == 1:
            code.store(code.lane(found[0], 0), self.result)
            return
        zero = total = code.constant(0.0)
        for value, mask in zip(found, self.masks, strict=True):
            if mask is not None:
                value = code.b.select(mask, value, zero)
            total = code.b.fadd(total, value)
        code.store(code.across(total, code.b.fadd), self.result)

    def _blocks(self, block: Callable) -> None:
        code = self.code
        with code.loop(0, self.batch) as sample:
            first, end = self._counted(sample)
            # Blocks of one length, so that none is too short to be worth its start.
            steps = code.sub(end, first)
            count = code.larger(code.divide_up(steps, code.int(BLOCK)), 1)
            size = code.larger(code.divide_up(steps, count), 1)
            with code.loop(first, end, size) as begin:
                block(sample, begin, code.smaller(code.add(begin, size), end))

    def _counted(self, sample) -> tuple[ir.Value, ir.Value]:
        """The first step of a sample that its mask lets count, and the last's end."""
        code = self.code
        if MASK not in self.buffers:
            return code.int(0), self.timesteps
        mask, stride = self._walk(Place(MASK, 0, 1), 0, sample, code.int(0))
        half = ir.Constant(code.number, 0.5)
        with code.fold(0, self.timesteps, [self.timesteps, code.int(0), mask]) as (
            t,
            (first, end, mask),
            ends,
        ):
            counts = code.b.fcmp_ordered(">", code.load(mask), half)
            ends += [
                code.b.select(counts, code.smaller(first, t), first),
                code.b.select(counts, code.add(t, 1), end),
                code.at(mask, stride),
            ]
        return ends[0], ends[1]

    def _walk(self, place: Place, offset, sample, moment) -> tuple[ir.Value, ir.Value]:
        """Where a value lies at a moment, and how far it is to the next moment."""
        code, buffer = self.code, self.buffers[place.buffer]
        if buffer.kind == SAMPLE:
            start = code.add(code.mul(sample, buffer.width), offset)
            return code.at(self.base[place.buffer], start), code.int(0)
        moments = self.timesteps
        stride = buffer.width
        if buffer.kind == HISTORY:
            moments = code.add(moments, 1)
            moment = code.add(moment, place.shift)
        if buffer.against_time:
            moment = code.sub(code.sub(self.timesteps, 1), moment)
            stride = -stride
        entry = code.add(code.mul(sample, moments), moment)
        start = code.add(code.mul(entry, buffer.width), offset)
        return code.at(self.base[place.buffer], start), code.int(stride)

    def _address(self, row, vector: int) -> ir.Value:
        code = self.code
        first = code.mul(row, self.work.part.stride)
        return code.at(self.result, code.add(first, vector * code.lanes))

    def _put(self, row, vector: int, value: ir.Value) -> None:
        self.code.store_vector(value, self._address(row, vector), self.masks[vector])

    def _add(self, row, vector: int, value: ir.Value) -> None:
        address = self._address(row, vector)
        so_far = self.code.load_vector(address, self.masks[vector])
        self.code.store_vector(
            self.code.b.fadd(so_far, value), address, self.masks[vector]
        )
