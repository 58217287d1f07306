"""Program: what a native kernel does, as records that an emitter reads.

A program runs one step after the other over time. A step is a list of stages; a stage
gathers products in accumulators, then computes everything pointwise on them, for a
tile of samples and units at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from refrain.graph.node import Node

SEQUENCE, SAMPLE, HISTORY, CARRY, SHARED = (
    "sequence",  # (batch, timesteps, width)
    "sample",  # (batch, width)
    "history",  # (batch, timesteps + 1, width): every state and what backward reads
    "carry",  # (batch, 2, width): the last two moments only
    "shared",  # (width,): weights, and weights packed for tiles
)

_POINTWISE = 4  # multiply-adds that an operation on one number costs as much as


@dataclass(frozen=True)
class Buffer:
    """An array that a kernel reads or writes.

    Attributes:
        name: unique in the program.
        kind: which axes it has beside its width; see above.
        width: numbers of one sample at one moment.
        against_time: step t of the loop is entry timesteps - 1 - t.
        over: name of the buffer of the same shape that it may be written over.
    """

    name: str
    kind: str
    width: int
    against_time: bool = False
    over: str | None = None

    def shape(self, batch: int, timesteps: int) -> tuple[int, ...]:
        """Its shape for a batch of sequences."""
        if self.kind == SHARED:
            return (self.width,)
        if self.kind == SAMPLE:
            return batch, self.width
        moments = {SEQUENCE: timesteps, HISTORY: timesteps + 1, CARRY: 2}[self.kind]
        return batch, moments, self.width


@dataclass(frozen=True)
class Place:
    """Where a value of one sample lies at the current moment.

    `shift` 1 is the moment after the step: a state's new value.
    """

    buffer: str
    offset: int
    width: int
    shift: int = 0


@dataclass(frozen=True)
class Part:
    """Where a weight lies in the variable that packs it: rows × columns, row stride."""

    variable: str
    offset: int
    shape: tuple[int, ...]
    stride: int


@dataclass(frozen=True)
class Term:
    """One product of a loop: its left operand, its matrix, and the sum it adds to."""

    left: int  # index in the loop's lefts
    sum_index: int
    matrix: Part
    transposed: bool


@dataclass(frozen=True)
class Loop:
    """Products of left operands of one length: `length` multiply-adds a term.

    `packed` is the offset of their weights in the packed buffer, laid out as
    [block of units][row of the matrix][term][vector][lane].
    """

    lefts: tuple[Place, ...]
    length: int
    terms: tuple[Term, ...]
    packed: int


@dataclass(frozen=True)
class Sum:
    """An accumulator: a sum of products, and the addends that are no products."""

    root: Node
    others: tuple[Node, ...]


@dataclass(frozen=True)
class Reduction:
    """A reduction over the units of one sample, kept as one number."""

    node: Node
    operand: Place
    result: Place


@dataclass(frozen=True)
class Stage:
    """One sweep over samples × units.

    Attributes:
        width: number of units swept.
        vectors: vectors of units in a tile.
        rows: samples in a tile.
        reductions: computed first, from what earlier stages stored.
        loops, sums: products, gathered in accumulators.
        body: pointwise nodes in order.
        stores: which values leave the registers, and where to.
        summed: sums and means over units of values of the body, and where to.
        idle: instead of all this, for a tile without a sample whose mask counts.
    """

    width: int
    vectors: int
    rows: int
    reductions: tuple[Reduction, ...]
    loops: tuple[Loop, ...]
    sums: tuple[Sum, ...]
    body: tuple[Node, ...]
    stores: tuple[tuple[Node, Place], ...]
    summed: tuple[tuple[Node, Place], ...] = ()
    idle: Stage | None = None

    def replaced(
        self, places: Mapping[Node, Place], over: Mapping[str, str]
    ) -> list[Node]:
        """Values in memory that the stage reads and stores new ones in place of.

        `over` gives the buffer that another may be written over.
        """
        stores = (place for _, place in self.stores)
        taken = {replace(p, buffer=over.get(p.buffer, p.buffer)) for p in stores}
        return [node for node in self._read_by_unit(places) if places[node] in taken]

    def reads(self, places: Mapping[Node, Place]) -> Iterator[Place]:
        """Places that the stage reads, all moments taken as one."""
        yield from (places[node] for node in self._read_by_unit(places))
        yield from (left for loop in self.loops for left in loop.lefts)
        yield from (reduction.operand for reduction in self.reductions)
        if self.idle is not None:
            yield from self.idle.reads(places)

    def _read_by_unit(self, places: Mapping[Node, Place]) -> list[Node]:
        """Values in memory that its pointwise part reads, stores or sums."""
        inside = {*self.body, *(found.root for found in self.sums)}
        nodes = [i for node in self.body for i in node.inputs]
        nodes += [other for found in self.sums for other in found.others]
        nodes += [node for node, _ in self.stores]
        nodes += [node.inputs[0] for node, _ in self.summed]
        return [n for n in dict.fromkeys(nodes) if n not in inside and n in places]


@dataclass(frozen=True)
class Copy:
    """A state enters its first moment, or leaves from its last: sample ↔ place.

    What enters is zero where `sample` is None.
    """

    sample: str | None
    place: Place


@dataclass(frozen=True)
class Program:
    """One direction of a cell over a sequence.

    Attributes:
        name: for messages and symbols.
        sizes: numbers for the symbolic sizes.
        backward: time runs from the last step to the first.
        inputs, outputs: buffers in the order in which a kernel takes them.
        places: where values that are not computed in a stage are read.
        first, last: copies before and after the loop over time.
        ahead: what is computed of weights alone, before all that.
        stages: one step.
    """

    name: str
    sizes: Mapping[str, int]
    backward: bool
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    places: dict[Node, Place]
    first: tuple[Copy, ...]
    last: tuple[Copy, ...]
    ahead: tuple[Stage, ...]
    stages: tuple[Stage, ...]

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        """All buffers, in the order in which a kernel takes them."""
        return self.inputs + self.outputs

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of all products, for one step of one sample."""
        return sum(
            loop.length * len(loop.terms) * stage.width
            for stage in self.stages
            for loop in stage.loops
        )

    @cached_property
    def work(self) -> int:
        """What one step of one sample costs, in multiply-adds, pointwise parts too."""
        pointwise = sum(len(stage.body) * stage.width for stage in self.stages)
        return self.multiply_adds + _POINTWISE * pointwise

    @property
    def over(self) -> dict[str, str]:
        """Results that may be written over an argument, and the name of it."""
        return {b.name: b.over for b in self.outputs if b.over is not None}

    def for_later(self) -> frozenset[Place]:
        """Places of a history that the program writes and does not read itself."""
        histories = {b.name for b in self.outputs if b.kind == HISTORY and not b.over}
        read = {
            (place.buffer, place.offset)
            for stage in self.stages
            for place in stage.reads(self.places)
        }
        return frozenset(
            place
            for stage in self.stages
            for _, place in stage.stores
            if place.buffer in histories and (place.buffer, place.offset) not in read
        )


@dataclass(frozen=True)
class WeightProduct:
    """The gradient of a matrix: (scale * left) ᵀ @ right over all samples and steps.

    `scale` is a sample's, the same at all steps; None for 1.
    """

    left: Place
    right: Place
    part: Part
    scale: Place | None = None


@dataclass(frozen=True)
class WeightSum:
    """The gradient of a vector or scalar: right summed over all samples and steps."""

    right: Place
    part: Part


@dataclass(frozen=True)
class WeightRows:
    """The gradient of a matrix whose rows are looked up: right, at row `index`."""

    index: Place
    right: Place
    part: Part


@dataclass(frozen=True)
class Gathering:
    """Weight gradients, gathered after the loop over time as large products."""

    name: str
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    products: tuple[WeightProduct, ...]
    sums: tuple[WeightSum, ...]
    rows: tuple[WeightRows, ...]

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        """All buffers, in the order in which a kernel takes them."""
        return self.inputs + self.outputs

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of all products, for one step of one sample."""
        return sum(p.left.width * p.right.width for p in self.products)

    @cached_property
    def work(self) -> int:
        """What one step of one sample costs, in multiply-adds, sums too."""
        added = (*self.sums, *self.rows)
        return self.multiply_adds + sum(found.right.width for found in added)
