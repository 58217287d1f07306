"""Emits the weight gradients: left ᵀ @ right, summed over all samples and steps.

The work is cut into tasks by columns of the result. One task sums all samples and
steps in one order, so that results do not depend on the number of threads. Samples and
steps are taken in blocks that stay in cache; steps that a mask leaves out at either
end of a sequence are passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from llvmlite import ir

from refrain.emit.llvm.code import ENTRY, I64, PTR, VOID, Code
from refrain.emit.llvm.control import flush_denormals
from refrain.emit.llvm.gather_tasks import Added, GatherTask, Work, gather_tasks
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

BLOCK = 64  # steps of one sample that are gathered before the result is touched
AHEAD = 48  # steps from which left operands are called into the cache


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


class _Columns(NamedTuple):
    """Columns of a gradient: the address of the first row, and the rows' distance."""

    start: ir.Value
    stride: int


class _Walk(NamedTuple):
    """Where a value lies at a moment, and how far it is to the next moment."""

    start: ir.Value
    stride: ir.Value


class _GatherOne:
    def __init__(self, code: Code, gathering: Gathering, task: GatherTask):
        self.code = code
        self.task = task
        pointers, self.batch, self.timesteps, self.right, first = code.function.args
        self.buffers = {b.name: b for b in gathering.buffers}
        self.base = {
            b.name: code.pointer(pointers, i) for i, b in enumerate(gathering.buffers)
        }
        self.first = first
        self.result = self._columns(task.work.part)
        self.vectors = -(-task.columns // code.lanes)
        self.masks = [
            code.tail_mask(v * code.lanes, task.columns) for v in range(self.vectors)
        ]

    def _columns(self, part: Part) -> _Columns:
        """The task's columns of a gradient; the part is relative to the first."""
        start = self.code.add(self.first, part.offset)
        base = self.base[f"grad_{part.variable}"]
        return _Columns(self.code.at(base, start), part.stride)

    def emit(self) -> None:
        work = self.task.work
        if isinstance(work, WeightProduct):
            self._products(work, *self.task.more)
        elif isinstance(work, WeightRows) or work.part.shape:
            self._added(work)
        else:
            self._number(work)
        self.code.b.ret_void()

    def _products(self, *products: WeightProduct) -> None:
        code = self.code
        # The block's columns side by side: few pages, read again for all rows.
        near = code.b.alloca(code.vector, BLOCK * self.vectors)
        for work in (products[0], *self.task.beside):
            self._clear(work)
        for product in products:
            self._product(product, near)

    def _product(self, work: WeightProduct, near: ir.Value) -> None:
        code = self.code
        width, columns = work.left.width, self.vectors * code.lanes
        spare = code.target.registers - self.vectors - 1
        rows = max(1, min(width, 8, spare // self.vectors))
        offset = code.add(self.right, work.right.offset)
        beside = self.task.beside if work is self.task.work else ()

        def block(sample, begin, end) -> None:
            right = self._walk(work.right, offset, sample, begin)
            count = code.sub(end, begin)
            self._bring_near(right, count, near)
            for added in beside:
                self._add_block(added, near, columns, sample, begin, end)
            next_block = code.at(right.start, code.mul(count, right.stride))
            left = self._walk(work.left, work.left.offset, sample, begin)
            scale = None
            if work.scale is not None:
                scale, _ = self._walk(work.scale, work.scale.offset, sample, 0)

            def tile(first, rows: int) -> None:
                # Each tile calls one vector a step of the columns that come next.
                number = code.b.udiv(code.int(first), code.int(rows))
                vector = code.b.urem(number, code.int(self.vectors))
                line = code.at(next_block, code.mul(vector, code.lanes))
                coming = _Walk(line, right.stride)
                operand = _Walk(code.at(left.start, first), left.stride)
                sums = self._gather(rows, count, operand, near, coming)
                self._add_tile(first, rows, sums, scale)

            whole = width - width % rows
            with code.loop(0, whole, rows) as first:
                tile(first, rows)
            if width % rows:
                tile(whole, width % rows)

        self._blocks(block)

    def _bring_near(self, right: _Walk, count, near) -> None:
        """Copy a block's columns to where they lie side by side."""
        code = self.code
        with code.loop(0, count) as t:
            for v in range(self.vectors):
                source = code.add(code.mul(t, right.stride), v * code.lanes)
                target = code.mul(code.add(code.mul(t, self.vectors), v), code.lanes)
                value = code.load_vector(code.at(right.start, source))
                code.store_vector(value, code.at(near, target))

    def _gather(self, rows: int, steps, left: _Walk, near, coming: _Walk):
        """Products of a block's steps for some rows of the result.

        Meanwhile what comes next is called into the nearest cache.
        """
        code, vectors = self.code, range(self.vectors)
        zero = code.constant(0.0)
        start = [*[zero] * (rows * self.vectors), left.start, near, coming.start]
        ahead = code.mul(left.stride, AHEAD)
        with code.fold(0, steps, start) as (_, (*sums, here, right, called), ends):
            code.prefetch(code.at(here, ahead))
            code.prefetch(called)
            columns = [
                code.load_vector(code.at(right, v * code.lanes)) for v in vectors
            ]
            for r in range(rows):
                value = code.spread(code.load(code.at(here, r)))
                ends += [
                    code.multiply_add(value, columns[v], sums[r * self.vectors + v])
                    for v in vectors
                ]
            ends += [
                code.at(here, left.stride),
                code.at(right, self.vectors * code.lanes),
                code.at(called, coming.stride),
            ]
        return ends[:-3]

    def _add_tile(self, first, rows: int, sums, scale: ir.Value | None) -> None:
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
                self._add(self.result, row, v, value)

    def _added(self, work: Added) -> None:
        """A sum, or rows, for which no product brings the values."""
        self._clear(work)

        def block(sample, begin, end) -> None:
            values, stride = self._walk(work.right, self.right, sample, begin)
            self._add_block(work, values, stride, sample, begin, end)

        self._all(work.right, block)

    def _add_block(self, work: Added, values, stride, sample, begin, end) -> None:
        """Add the values of some steps, from an address on."""
        columns = self._columns(work.part)
        if isinstance(work, WeightRows):
            self._add_rows(work, columns, values, stride, sample, begin, end)
            return
        for v, value in enumerate(self._total(values, stride, begin, end)):
            self._add(columns, self.code.int(0), v, value)

    def _total(self, values, stride, begin, end) -> list[ir.Value]:
        code = self.code
        start = [*[code.constant(0.0)] * self.vectors, values]
        with code.fold(begin, end, start) as (_, (*sums, values), ends):
            for v, so_far in enumerate(sums):
                value = code.load_vector(code.at(values, v * code.lanes))
                ends.append(code.b.fadd(so_far, value))
            ends.append(code.at(values, stride))
        return ends[:-1]

    def _add_rows(
        self, work: WeightRows, columns: _Columns, values, stride, sample, begin, end
    ) -> None:
        code = self.code
        index, step = self._walk(work.index, work.index.offset, sample, begin)
        with code.fold(begin, end, [index, values]) as (_, (index, values), ends):
            ends += [code.at(index, step), code.at(values, stride)]
            row, exists, _ = code.row_number(code.load(index), work.part.shape[0])
            with code.b.if_then(exists):
                for v in range(self.vectors):
                    value = code.load_vector(code.at(values, v * code.lanes))
                    self._add(columns, row, v, value)

    def _number(self, work: WeightSum) -> None:
        """The gradient of a trained number: the sum of all columns."""
        code = self.code
        vectors = [code.b.alloca(code.vector) for _ in range(self.vectors)]
        for v in vectors:
            code.b.store(code.constant(0.0), v)

        def block(sample, begin, end) -> None:
            values, stride = self._walk(work.right, self.right, sample, begin)
            found = self._total(values, stride, begin, end)
            for total, value in zip(vectors, found, strict=True):
                so_far = code.b.load(total, typ=code.vector)
                code.b.store(code.b.fadd(so_far, value), total)

        self._all(work.right, block)
        self._put_number(work, [code.b.load(v, typ=code.vector) for v in vectors])

    def _put_number(self, work: WeightSum, found: list[ir.Value]) -> None:
        code = self.code
        if work.right.width == 1:
            code.store(code.first_lane(found[0]), self.result.start)
            return
        zero = total = code.constant(0.0)
        for value, mask in zip(found, self.masks, strict=True):
            if mask is not None:
                value = code.b.select(mask, value, zero)
            total = code.b.fadd(total, value)
        code.store(code.across(total, code.b.fadd), self.result.start)

    def _all(self, right: Place, block: Callable) -> None:
        """All samples and steps; samples alone of what is summed over time already."""
        if self.buffers[right.buffer].kind != SAMPLE:
            self._blocks(block)
            return
        with self.code.loop(0, self.batch) as sample:
            block(sample, 0, 1)

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

    def _walk(self, place: Place, offset, sample, moment) -> _Walk:
        code, buffer = self.code, self.buffers[place.buffer]
        if buffer.kind == SAMPLE:
            start = code.add(code.mul(sample, buffer.width), offset)
            return _Walk(code.at(self.base[place.buffer], start), code.int(0))
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
        return _Walk(code.at(self.base[place.buffer], start), code.int(stride))

    def _clear(self, work: Work) -> None:
        """Zeros for all rows of a gradient."""
        part, columns = work.part, self._columns(work.part)
        with self.code.loop(0, part.shape[0] if len(part.shape) > 1 else 1) as row:
            for v in range(self.vectors):
                zero = self.code.constant(0.0)
                address = self._address(columns, row, v)
                self.code.store_vector(zero, address, self.masks[v])

    def _add(self, columns: _Columns, row, vector: int, value: ir.Value) -> None:
        code, mask = self.code, self.masks[vector]
        address = self._address(columns, row, vector)
        so_far = code.load_vector(address, mask)
        code.store_vector(code.b.fadd(so_far, value), address, mask)

    def _address(self, columns: _Columns, row, vector: int) -> ir.Value:
        code = self.code
        first = code.mul(row, columns.stride)
        return code.at(columns.start, code.add(first, vector * code.lanes))
