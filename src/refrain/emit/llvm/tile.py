"""The pointwise part of a stage, on the accumulators of one tile.

Values are computed when something that is stored asks for them. What belongs to no
sample, such as a bias, is read once for all samples of the tile.
"""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any

from llvmlite import ir

from refrain.emit.llvm.pointwise import emit
from refrain.graph.node import Node
from refrain.graph.ops import OPS
from refrain.plan.layout import FIXED, TAPE
from refrain.plan.program import Place, Stage
from refrain.plan.totals import TOTALS

# Rows of these are whole vectors.
PADDED = (TAPE, "carry", "streams", "scratch", FIXED, TOTALS)


class Tile:
    """One tile: `stage.rows` samples × `stage.vectors` vectors of units."""

    def __init__(
        self,
        loop: Any,
        stage: Stage,
        first: ir.Value,
        samples: list[ir.Value],
        sums: list[list[list[ir.Value]]],
    ):
        self.loop = loop
        self.code = loop.code
        self.stage = stage
        self.first = first
        self.samples = samples
        self.sums = {found.root: k for k, found in enumerate(stage.sums)}
        self.gathered = sums
        self.inside = {*stage.body, *self.sums}
        self.known: dict[tuple, Any] = {}
        self.alike = self._alike()
        self.joined = self._joined()

    def read_replaced(self) -> None:
        """Read what the stage replaces; a sample may be in the tile twice."""
        program = self.loop.program
        for row, vector in product(range(len(self.samples)), range(self.stage.vectors)):
            for node in self.stage.replaced(program.places, program.over):
                self.value(node, row, vector)

    def store(self, row: int, vector: int) -> None:
        """Compute and store everything that the stage stores."""
        code = self.code
        for node, place in self.stage.stores:
            value = self.value(node, row, vector)
            address, mask = self._address(place, row, vector)
            if place.width == 1:
                code.store(code.first_lane(value), address)
            elif place in self.loop.for_later:
                with code.b.if_else(self.loop.is_long) as (far, near):
                    with far:
                        code.store_past_cache(value, address)
                    with near:
                        code.store_vector(value, address, mask)
            else:
                code.store_vector(value, address, mask)

    def sum_up(self, totals: list[ir.Value]) -> None:
        """Add what the stage sums over units to totals; for a tile of one vector."""
        code = self.code
        mask = code.tail_mask(self.first, self.stage.width)
        for (node, _), total in zip(self.stage.summed, totals, strict=True):
            value = self.value(node.inputs[0], 0, 0)
            if mask is not None:
                value = code.b.select(mask, value, code.constant(0.0))
            so_far = code.b.load(total, typ=code.vector)
            code.b.store(code.b.fadd(so_far, value), total)

    def value(self, node: Node, row: int, vector: int) -> ir.Value:
        """A node's vector for one sample of the tile."""
        key = (node, None if node in self.alike else row, vector)
        if key not in self.known:
            self.known[key] = self._compute(node, row, vector)
        return self.known[key]

    def _compute(self, node: Node, row: int, vector: int) -> ir.Value:
        code = self.code
        if node.op is OPS["constant"]:
            return code.constant(float(node.attribute or 0.0))
        if node in self.sums:
            index = self.sums[node]
            value = self.gathered[index][row][vector]
            for other in self.stage.sums[index].others:
                value = code.b.fadd(value, self.value(other, row, vector))
            return value
        if node not in self.inside:
            return self._load(node, row, vector)
        if node.op is OPS["row"]:
            return self._look_up(node, row, vector)
        if node.op is OPS["broadcast"]:
            return self.value(node.inputs[0], row, vector)
        if node.op is OPS["size"]:
            return code.constant(self.loop.program.sizes[node.inputs[0].shape[0]])
        if node in self.joined:
            return self._multiply_add(node, row, vector)
        operands = [self.value(i, row, vector) for i in node.inputs]
        return emit(code, node.op.name, operands)

    def _multiply_add(self, node: Node, row: int, vector: int) -> ir.Value:
        """A sum or difference with a product in it, rounded once."""
        product = self.joined[node]
        a, b = (self.value(i, row, vector) for i in product.inputs)
        left, right = node.inputs
        other = self.value(left if product is right else right, row, vector)
        if node.op is OPS["subtract"]:
            if product is right:
                a = self.code.b.fneg(a)
            else:
                other = self.code.b.fneg(other)
        return self.code.multiply_add(a, b, other)

    def _load(self, node: Node, row: int, vector: int) -> ir.Value:
        code = self.code
        if node in self.loop.parts:
            part = self.loop.parts[node]
            base = code.at(self.loop.base[part.variable], part.offset)
            if not part.shape:
                return code.spread(code.load(base))
            unit, mask = self._unit(vector, part.shape[0], padded=False)
            return code.load_vector(code.at(base, unit), mask)
        place = self.loop.program.places[node]
        address, mask = self._address(place, row, vector)
        if place.width == 1:
            return code.spread(code.load(address))
        if place.buffer == TAPE and not self.stage.loops and self.loop.program.backward:
            self._call_for_next(address)
        return code.load_vector(address, mask)

    def call_rows(self) -> None:
        """Call the rows that it looks up, which may lie far away."""
        rows, vectors = range(len(self.samples)), range(self.stage.vectors)
        for node in (n for n in self.stage.body if n.op is OPS["row"]):
            for row, vector in product(rows, vectors):
                address, *_ = self._looked_up(node, row, vector)
                self.code.prefetch(address)

    def _look_up(self, node: Node, row: int, vector: int) -> ir.Value:
        """Part of a matrix's row for one sample; no number where it has no such row."""
        code = self.code
        address, mask, exists, other = self._looked_up(node, row, vector)
        return code.b.select(exists, code.load_vector(address, mask), other)

    def _looked_up(self, node: Node, row: int, vector: int):
        """Where it lies, the mask that keeps it inside the row, whether it exists, and
        what there is instead.
        """
        code = self.code
        index, matrix = node.inputs
        part = self.loop.parts[matrix]
        key = (part.variable, index, row)
        if key not in self.known:
            place, _ = self._address(self.loop.program.places[index], row, vector)
            self.known[key] = code.row_number(code.load(place), part.shape[0])
        number, exists, other = self.known[key]
        unit, mask = self._unit(vector, part.shape[1], padded=False)
        start = code.add(code.mul(number, part.stride), part.offset)
        base = self.loop.base[part.variable]
        return code.at(base, code.add(start, unit)), mask, exists, other

    def _call_for_next(self, address: ir.Value) -> None:
        """Call for what the step before left here, which this program does next.

        A stage with a product has time to wait for its tape; one without has not.
        """
        width = self.loop.buffers[TAPE].width
        self.code.prefetch(self.code.at(address, -width), near=False)

    def _address(self, place: Place, row: int, vector: int):
        key = (place.buffer, place.offset, place.shift, row)
        if key not in self.known:
            self.known[key] = self.loop.row(place, self.samples[row])
        if place.width == 1:
            return self.known[key], None
        unit, mask = self._unit(vector, place.width, place.buffer in PADDED)
        return self.code.at(self.known[key], unit), mask

    def _unit(self, vector: int, width: int, padded: bool):
        """First unit of a vector, and the mask that keeps it inside `width`."""
        key = ("unit", vector, None if padded else width)
        if key not in self.known:
            unit = self.code.add(self.first, vector * self.code.lanes)
            mask = None if padded else self.code.tail_mask(unit, width)
            self.known[key] = (unit, mask)
        return self.known[key]

    def _joined(self) -> dict[Node, Node]:
        """Sums and differences by the product that joins them, as in f * c + i * g.

        Which products join is settled here: LLVM might choose otherwise for another
        row of a tile, and a sample's row depends on the number of threads.
        """
        read = [i for node in self.stage.body for i in node.inputs]
        read += [other for found in self.stage.sums for other in found.others]
        read += [node.inputs[0] for node, _ in self.stage.summed]
        uses = Counter([*read, *(node for node, _ in self.stage.stores)])
        joined = {}
        for node in self.stage.body:
            if node.op not in (OPS["add"], OPS["subtract"]):
                continue
            for operand in reversed(node.inputs):
                inside = operand in self.inside and operand not in self.sums
                if inside and operand.op is OPS["multiply"] and uses[operand] == 1:
                    joined[node] = operand
                    break
        return joined

    def _alike(self) -> set[Node]:
        """Nodes with one value for all samples: weights, and functions of them."""
        places = self.loop.program.places
        fixed = (node for node, place in places.items() if place.buffer == FIXED)
        found = {*self.loop.parts, *fixed}
        for node in self.stage.body:
            if all(i in found or i.op is OPS["constant"] for i in node.inputs):
                found.add(node)
        return found
