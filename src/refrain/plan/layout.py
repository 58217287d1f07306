"""Lays levels out as stages: tiles, packed weights, and memory for what is spilled."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from refrain.graph.graph import ordered
from refrain.graph.node import Node
from refrain.graph.ops import OPS
from refrain.plan.program import (
    SAMPLE,
    SHARED,
    Buffer,
    Loop,
    Part,
    Place,
    Reduction,
    Stage,
    Term,
)
from refrain.plan.stages import ONE, Level, order_levels

TAPE, PACKED, FIXED, SCRATCH = "tape", "packed", "fixed", "scratch"
# What makes infinities, or no number, of numbers.
BREAKING = tuple(OPS[n] for n in ("divide", "sqrt", "log", "log1p", "exp", "expm1"))
SPARE = 5  # registers without which a loop of products spills accumulators

# Left operands, and products with the sums that they feed.
SharedLoop = tuple[list[Node], list[tuple[int, Node]]]
Stores = tuple[tuple[Node, Place], ...]  # values, and where to


@dataclass(frozen=True)
class Machine:
    """What a plan needs to know of the processor and of the work at hand.

    Attributes:
        lanes: numbers in a vector.
        registers: vector registers.
        rows: samples that one thread is likely to have.
    """

    lanes: int
    registers: int
    rows: int

    def padded(self, width: int) -> int:
        """A width in whole vectors."""
        return -(-width // self.lanes) * self.lanes


@dataclass
class Layout:
    """Stages of one program, with the memory that they need besides their buffers.

    `idle` gives what is stored of each value where a mask leaves the step out;
    `guarded`, what a tile stores of samples of which some may be left out.
    """

    sizes: Mapping[str, int]
    parts: Mapping[str, Part]
    machine: Machine
    places: dict[Node, Place]
    idle: Mapping[Node, Node] = field(default_factory=dict)
    guarded: Mapping[Node, Node] = field(default_factory=dict)
    packed: int = 0
    fixed: int = 0
    scratch: int = 0
    ahead: list[Stage] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)

    def buffers(self) -> tuple[Buffer, ...]:
        """Memory that a caller provides and may forget."""
        found = (
            Buffer(PACKED, SHARED, self.packed),
            Buffer(FIXED, SHARED, self.fixed),
            Buffer(SCRATCH, SAMPLE, self.scratch),
        )
        return tuple(buffer for buffer in found if buffer.width)

    def fix(self, values: Sequence[Node], shared: Collection[Node]) -> None:
        """Lay out values of weights alone, which are computed ahead of the loop."""
        if not values:
            return
        places, self.fixed = slots(values, self.sizes, self.machine, FIXED)
        targets = {node: [place] for node, place in places.items()}
        self.ahead = [self._stage(x) for x in order_levels(targets, (), shared)]
        self.places |= places

    def add(self, level: Level) -> None:
        """Lay out one level as a stage; levels come in the order in which they run."""
        stage = self._stage(level)
        self.stages.append(replace(self._guarded(stage), idle=self._idle(stage)))

    def _stage(self, level: Level) -> Stage:
        width = 1 if level.size == ONE else self.sizes[level.size]
        shared = _shared_loops(level)
        vectors = self._vectors(width, len(level.sums), shared)
        loops = self._loops(shared, width, vectors)
        # Accumulators that a loop does not add to need no register while it runs.
        used = [len({term.sum_index for term in loop.terms}) for loop in loops]
        rows = self._rows(vectors, max(used, default=0))
        reductions = tuple(
            Reduction(node, self.places[node.inputs[0]], self._spill(node))
            for node in level.reductions
        )
        spills = [(node, self._spill(node)) for node in level.spills]
        stores = [(node, p) for node, places in level.stores.items() for p in places]
        return Stage(
            width,
            vectors,
            rows,
            reductions,
            loops,
            tuple(found for _, found in level.sums.values()),
            tuple(level.body),
            (*stores, *((n, p) for n, p in spills if (n, p) not in stores)),
            tuple((node, self._spill(node)) for node in level.summed),
        )

    def _idle(self, stage: Stage) -> Stage | None:
        if not self.idle:
            return None
        stores = [(self.idle[node], place) for node, place in stage.stores]
        stores = tuple((n, p) for n, p in stores if n.inputs or self.places.get(n) != p)
        body = self._to_compute(stores, stage)
        return replace(stage, loops=(), sums=(), body=body, stores=stores, summed=())

    def _guarded(self, stage: Stage) -> Stage:
        mixed = self.guarded and stage.rows > 1
        if not mixed or not any(node.op in BREAKING for node in stage.body):
            return stage
        stores = tuple((self.guarded[node], place) for node, place in stage.stores)
        inside = {*stage.body, *(found.root for found in stage.sums)}
        body = (*stage.body, *self._to_compute(stores, stage, inside))
        return replace(stage, body=body, stores=stores)

    def _to_compute(
        self, stores: Stores, stage: Stage, inside: Collection[Node] = ()
    ) -> tuple[Node, ...]:
        """What stores need besides what is inside a stage, and in memory before it."""
        known = self.places.keys() - {n for n, _ in stage.stores if n.inputs}
        known |= set(inside)
        nodes = ordered([node for node, _ in stores], stop=known)
        return tuple(n for n in nodes if n.inputs and n not in known)

    def _spill(self, node: Node) -> Place:
        """Where a value waits for later stages: its own place, or scratch."""
        if node not in self.places:
            width = self.sizes[node.shape[0]] if node.shape else 1
            self.places[node] = Place(SCRATCH, self.scratch, width)
            self.scratch += self.machine.padded(width)
        return self.places[node]

    def _vectors(self, width: int, sums: int, shared: Sequence[SharedLoop]) -> int:
        """Vectors of units in a tile: few sums leave registers for more of them.

        One sample alone needs more of them, to have enough to do while a sum waits.
        """
        blocks = -(-width // self.machine.lanes)
        most = 1
        if sums and self.machine.rows > 1:
            most = 4 // sums
        elif sums:
            most = 6 // max(len(products) for _, products in shared)
        return max(v for v in range(1, max(1, most) + 1) if blocks % v == 0)

    def _rows(self, vectors: int, sums: int) -> int:
        """Samples in a tile: as many as registers hold, little wasted at the end."""
        if not sums:
            return 1
        each = vectors * sums
        # Beside accumulators: an operand a row, weights, and room for what comes next.
        most = max(1, min(8, (self.machine.registers - SPARE) // (each + 1)))
        least = max(1, (most + 1) // 2)
        rows = self.machine.rows
        return min(
            range(min(least, rows), min(most, rows) + 1),
            key=lambda r: (-(-rows // r) * r, -r),
        )

    def _loops(
        self, shared: Sequence[SharedLoop], width: int, vectors: int
    ) -> tuple[Loop, ...]:
        loops = []
        padded = -(-width // (vectors * self.machine.lanes)) * vectors
        for lefts, products in shared:
            terms = tuple(
                Term(
                    lefts.index(product.inputs[0]),
                    index,
                    self.parts[str(product.inputs[1].attribute)],
                    transposed=product.op.name == "matmul_transposed",
                )
                for index, product in products
            )
            length = self.sizes[lefts[0].shape[0]]
            places = tuple(self.places[left] for left in lefts)
            loops.append(Loop(places, length, terms, self.packed))
            self.packed += length * len(terms) * padded * self.machine.lanes
        return tuple(loops)


def _shared_loops(level: Level) -> list[SharedLoop]:
    """Products that run in one loop.

    Products of one left operand share its loop. So do left operands of one length
    that feed different sums: more accumulators hide the time that each takes.
    """
    by_left: dict[Node, list[tuple[int, Node]]] = {}
    for index, (products, _) in enumerate(level.sums.values()):
        for product in products:
            by_left.setdefault(product.inputs[0], []).append((index, product))
    loops: list[SharedLoop] = []
    for left, products in by_left.items():
        sums = {index for index, _ in products}
        for lefts, others in loops:
            alike = lefts[0].shape == left.shape
            if alike and sums.isdisjoint(index for index, _ in others):
                lefts.append(left)
                others += products
                break
        else:
            loops.append(([left], list(products)))
    return loops


def slots(
    nodes: Sequence[Node],
    sizes: Mapping[str, int],
    machine: Machine,
    buffer: str,
    offset: int = 0,
) -> tuple[dict[Node, Place], int]:
    """Places for values side by side in one buffer, each padded to whole vectors.

    The first lies at `offset`.

    Returns:
        The places, and the width of the buffer.
    """
    places: dict[Node, Place] = {}
    for node in nodes:
        width = sizes[node.shape[0]] if node.shape else 1
        places[node] = Place(buffer, offset, width)
        offset += machine.padded(width)
    if offset // machine.lanes % 2 == 0:
        offset += machine.lanes  # steps a power of two apart would share cache lines
    return places, offset
