"""Code: an IR builder that speaks of numbers, vectors, buffers and loops.

Every emitter writes through it; nothing below knows of cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from llvmlite import ir

from refrain.emit.llvm.vectors import Target
from refrain.graph.ops import NO_ROW

I1, I32, I64, PTR, VOID = (
    ir.IntType(1),
    ir.IntType(32),
    ir.IntType(64),
    ir.PointerType(),
    ir.VoidType(),
)
# Every native entry: buffers, batch, timesteps, and the range of work to do.
ENTRY = ir.FunctionType(VOID, [PTR, I64, I64, I64, I64])


class Integers:
    """Whole numbers and calls, which every function has."""

    b: ir.IRBuilder
    module: ir.Module

    def int(self, value: int | ir.Value) -> ir.Value:
        return ir.Constant(I64, value) if isinstance(value, int) else value

    def smaller(self, left, right) -> ir.Value:
        left, right = self.int(left), self.int(right)
        return self.b.select(self.b.icmp_signed("<", left, right), left, right)

    def larger(self, left, right) -> ir.Value:
        left, right = self.int(left), self.int(right)
        return self.b.select(self.b.icmp_signed(">", left, right), left, right)

    def call(self, name: str, result: ir.Type, arguments: Sequence[ir.Value]):
        """Call an intrinsic or another function by name."""
        if name not in self.module.globals:
            kind = ir.FunctionType(result, [a.type for a in arguments])
            ir.Function(self.module, kind, name)
        return self.b.call(self.module.globals[name], arguments)


class Code(Integers):
    """Writes one function."""

    def __init__(self, function: ir.Function, target: Target):
        self.function = function
        self.module = function.module
        self.target = target
        self.lanes = target.width
        self.number = target.scalar
        self.vector = target.vector
        self.bytes = target.bytes
        self.b = ir.IRBuilder(function.append_basic_block("entry"))

    # -- integers ------------------------------------------------------------

    def add(self, left, right) -> ir.Value:
        if isinstance(right, int) and right == 0:
            return self.int(left)
        return self.b.add(self.int(left), self.int(right))

    def sub(self, left, right) -> ir.Value:
        return self.b.sub(self.int(left), self.int(right))

    def mul(self, left, right) -> ir.Value:
        return self.b.mul(self.int(left), self.int(right))

    def divide_up(self, left, right) -> ir.Value:
        return self.b.sdiv(self.sub(self.add(left, right), 1), self.int(right))

    # -- loops ---------------------------------------------------------------

    @contextmanager
    def loop(self, start, stop, step=1) -> Iterator[ir.Value]:
        """`for index in range(start, stop, step)`."""
        with self.fold(start, stop, (), step) as (index, _, _):
            yield index

    @contextmanager
    def fold(self, start, stop, values: Sequence[ir.Value], step=1):
        """A loop that carries values in registers.

        Yields the index, the values at the start of a round, and a list for those at
        its end; after the loop that list holds the last ones.
        """
        before = self.b.block
        head = self.function.append_basic_block("head")
        body = self.function.append_basic_block("body")
        done = self.function.append_basic_block("done")
        self.b.branch(head)
        self.b.position_at_end(head)
        index = self.b.phi(I64)
        carried = [self.b.phi(v.type) for v in values]
        index.add_incoming(self.int(start), before)
        for phi, value in zip(carried, values, strict=True):
            phi.add_incoming(value, before)
        self.b.cbranch(self.b.icmp_signed("<", index, self.int(stop)), body, done)
        self.b.position_at_end(body)
        ends: list[ir.Value] = []
        yield index, carried, ends
        index.add_incoming(self.add(index, step), self.b.block)
        for phi, value in zip(carried, ends or carried, strict=True):
            phi.add_incoming(value, self.b.block)
        self.b.branch(head)
        self.b.position_at_end(done)
        ends[:] = carried

    # -- memory --------------------------------------------------------------

    def at(self, pointer: ir.Value, offset) -> ir.Value:
        """The address of the number `offset` numbers after `pointer`."""
        if isinstance(offset, int) and offset == 0:
            return pointer
        return self.b.gep(pointer, [self.int(offset)], source_etype=self.number)

    def pointer(self, pointers: ir.Value, index: int) -> ir.Value:
        """Entry `index` of an array of pointers."""
        slot = self.b.gep(pointers, [self.int(index)], source_etype=PTR)
        return self.b.load(slot, typ=PTR)

    def load(self, pointer: ir.Value) -> ir.Value:
        return self.b.load(pointer, typ=self.number, align=self.bytes)

    def store(self, value: ir.Value, pointer: ir.Value) -> None:
        self.b.store(value, pointer, align=self.bytes)

    def load_vector(self, pointer: ir.Value, mask: ir.Value | None = None) -> ir.Value:
        """A vector; lanes that the mask leaves out are zero and are not read."""
        if mask is None:
            return self.b.load(pointer, typ=self.vector, align=self.bytes)
        return self.call(
            f"llvm.masked.load.{self.target.suffix}.p0",
            self.vector,
            [pointer, mask, ir.Constant(self.vector, None)],
        )

    def store_vector(
        self, value: ir.Value, pointer: ir.Value, mask: ir.Value | None = None
    ) -> None:
        if mask is None:
            self.b.store(value, pointer, align=self.bytes)
            return
        self.call(
            f"llvm.masked.store.{self.target.suffix}.p0", VOID, [value, pointer, mask]
        )

    def store_past_cache(self, value: ir.Value, pointer: ir.Value) -> None:
        """Store a vector at an address that it divides, and keep it from the caches.

        Other processors see it after a fence.
        """
        store = self.b.store(value, pointer, align=self.lanes * self.bytes)
        once = self.module.add_metadata([ir.Constant(I32, 1)])
        store.set_metadata("nontemporal", once)

    def prefetch(self, pointer: ir.Value, near=True) -> None:
        """Call a line into the nearest cache or the next one; any address will do."""
        how = [ir.Constant(I32, n) for n in (0, 3 if near else 2, 1)]
        self.call("llvm.prefetch.p0", VOID, [pointer, *how])

    def tail_mask(self, first, width: int) -> ir.Value | None:
        """Which lanes of the vector at unit `first` exist; None if all always do."""
        if width % self.lanes == 0:
            return None
        kind = ir.VectorType(I32, self.lanes)
        lane = ir.Constant(kind, list(range(self.lanes)))
        left = self.b.trunc(self.sub(width, first), I32)
        return self.b.icmp_signed("<", lane, self.spread(left, kind))

    # -- numbers and vectors ---------------------------------------------------

    def constant(self, value: float) -> ir.Value:
        return ir.Constant(self.vector, [float(value)] * self.lanes)

    def spread(self, value: ir.Value, kind: ir.Type | None = None) -> ir.Value:
        """A vector with `value` in every lane."""
        kind = kind or self.vector
        empty = ir.Constant(kind, ir.Undefined)
        first = self.b.insert_element(empty, value, ir.Constant(I32, 0))
        return self.b.shuffle_vector(
            first, empty, ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes)
        )

    def row_number(
        self, number: ir.Value, rows: int
    ) -> tuple[ir.Value, ir.Value, ir.Value]:
        """A number as that of one of `rows` rows, whether it is one, and if not the
        vector that takes its place.
        """
        first, end = (ir.Constant(self.number, float(n)) for n in (0, rows))
        exists = self.b.and_(
            self.b.fcmp_ordered(">=", number, first),
            self.b.fcmp_ordered("<", number, end),
        )
        none = self.b.fcmp_ordered("==", number, ir.Constant(self.number, NO_ROW))
        other = self.b.select(none, self.constant(0.0), self.constant(float("nan")))
        return self.b.fptosi(self.b.select(exists, number, first), I64), exists, other

    def first_lane(self, vector: ir.Value) -> ir.Value:
        return self.b.extract_element(vector, ir.Constant(I32, 0))

    def multiply_add(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        return self.call(f"llvm.fmuladd.{self.target.suffix}", self.vector, [a, b, c])

    def across(self, vector: ir.Value, combine: Callable) -> ir.Value:
        """All lanes of a vector combined to one number, in a tree."""
        lanes = self.lanes
        while lanes > 1:
            lanes //= 2
            order = [i + lanes if i < lanes else i for i in range(self.lanes)]
            other = self.b.shuffle_vector(
                vector,
                ir.Constant(self.vector, ir.Undefined),
                ir.Constant(ir.VectorType(I32, self.lanes), order),
            )
            vector = combine(vector, other)
        return self.first_lane(vector)
