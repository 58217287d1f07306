"""Orders a step into levels, each of which becomes one sweep over samples and units.

A product or a reduction needs all units of its operand, so it starts a new level;
everything pointwise joins the level of what it reads last. At each depth reductions
come first, then what follows from them for a sample as a whole, then what has units.
Values that cross from one level to another are stored, but for those that are computed
again: truth values, constants, and what takes a few operations on numbers in memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from refrain.graph.graph import ordered
from refrain.graph.node import BOOL, Node
from refrain.graph.ops import OPS, PRODUCTS, REDUCTIONS, SUMS
from refrain.plan.fuse import find_sums
from refrain.plan.program import Place, Sum
from refrain.plan.tape import CHEAP

# Kinds of levels, in the order in which those of one depth run.
REDUCE, NUMBERS, SWEEP = range(3)
ONE = "one"  # the size of a sample's single number
FEW = 4  # operations that cost no more than a store and a load


@dataclass
class Level:
    """What one sweep has to do.

    Attributes:
        depth: how many products or reductions lie before it.
        kind: of `REDUCE`, `NUMBERS`, `SWEEP`.
        size: symbolic size that it sweeps, e.g. `units`.
        stores: values that leave the step, and where to.
        spills: values that later levels read.
        reductions: reductions of what earlier levels stored.
        sums: sums of products by root, each with its products.
        body: pointwise nodes in order.
        summed: sums and means over units of what the level computes itself.
    """

    depth: int
    kind: int
    size: str
    stores: dict[Node, list[Place]] = field(default_factory=dict)
    spills: dict[Node, None] = field(default_factory=dict)
    reductions: dict[Node, None] = field(default_factory=dict)
    sums: dict[Node, tuple[list[Node], Sum]] = field(default_factory=dict)
    body: list[Node] = field(default_factory=list)
    summed: dict[Node, None] = field(default_factory=dict)

    def read_by_unit(self) -> Iterator[Node]:
        """Operands of what is pointwise, those that it computes itself among them."""
        yield from (operand for node in self.body for operand in node.inputs)
        yield from (other for _, found in self.sums.values() for other in found.others)

    def read_whole(self) -> Iterator[Node]:
        """Values of which it reads all units at once."""
        yield from (p.inputs[0] for found, _ in self.sums.values() for p in found)
        yield from (node.inputs[0] for node in self.reductions)


def order_levels(
    targets: Mapping[Node, Sequence[Place]],
    available: Collection[Node],
    shared: Collection[Node],
) -> list[Level]:
    """Split a step into levels.

    Args:
        targets: what a step must store, and where.
        available: values of a sample that lie in memory before the step.
        shared: leaves that are weights.
    """
    levels = _Ordering(targets, set(available), set(shared)).levels()
    for level in levels:
        if not level.sums:
            _sum_on_the_way(level, levels)
    return [level for level in levels if level.kind != REDUCE or level.reductions]


def _sum_on_the_way(level: Level, levels: Sequence[Level]) -> None:
    """Let a level without products sum what it computes, instead of a later one.

    It goes sample by sample. What no other level reads need not be stored then. What
    it stores and does not compute, such as an old state, is reduced before it runs.
    """
    for later in (other for other in levels if other.depth > level.depth):
        for node in list(later.reductions):
            computed = node.inputs[0] in level.spills or node.inputs[0] in level.stores
            if computed and node.op in SUMS:
                del later.reductions[node]
                level.summed[node] = None
    others = [other for other in levels if other is not level]
    read = {n for o in others for n in (*o.read_by_unit(), *o.read_whole())}
    for node in level.summed:
        if node.inputs[0] not in read:
            level.spills.pop(node.inputs[0], None)


class _Ordering:
    def __init__(self, targets, available: set[Node], shared: set[Node]):
        self.targets = targets
        self.known = available | shared
        self.nodes = [
            n for n in ordered(targets, stop=self.known) if n not in self.known
        ]
        self.sums = find_sums(self.nodes, set(targets))
        self.depth = self._depths()
        self.again = self._computed_again(shared)
        self.found: dict[tuple[int, int, str], Level] = {}

    def levels(self) -> list[Level]:
        for node, places in self.targets.items():
            self._level(node).stores[node] = list(places)
        for depth in reversed(range(max(self.depth.values(), default=0) + 1)):
            for kind in (SWEEP, NUMBERS):
                # Filling a level asks for more of the levels before it alone.
                for level in list(self.found.values()):
                    if (level.depth, level.kind) == (depth, kind):
                        self._fill(level)
        return sorted(self.found.values(), key=lambda lv: (lv.depth, lv.kind))

    def _level(self, node: Node) -> Level:
        kind = SWEEP if node.shape else NUMBERS
        return self._at(self.depth.get(node, 0), kind, node)

    def _depths(self) -> dict[Node, int]:
        depth: dict[Node, int] = {}
        for node in self.nodes:
            if node.op in (*PRODUCTS, *REDUCTIONS):
                operand = node.inputs[0]
                depth[node] = depth[operand] + 1 if operand in depth else 0
            else:
                depth[node] = max((depth.get(i, 0) for i in node.inputs), default=0)
        return depth

    def _computed_again(self, shared: set[Node]) -> set[Node]:
        """Nodes that every level computes for itself."""
        weights_alone = set(shared)
        again: set[Node] = set()
        work = dict.fromkeys(self.known, 0)  # operations from what lies in memory
        for node in self.nodes:
            if all(i in weights_alone for i in node.inputs):  # constants included
                weights_alone.add(node)
                again.add(node)
                work[node] = 0
            elif node.dtype == BOOL:
                again.add(node)
            elif node.shape and node.op in CHEAP and node not in self.targets:
                operations = 1 + sum(work.get(i, FEW) for i in node.inputs)
                if operations <= FEW:
                    work[node] = operations
                    again.add(node)
        return again

    def _fill(self, level: Level) -> None:
        seen: set[Node] = set()

        def visit(node: Node) -> None:
            if node in seen or node in self.known:
                return
            seen.add(node)
            if node.op in REDUCTIONS:
                self._store(node.inputs[0])
                found = self._at(self.depth[node], REDUCE, node.inputs[0])
                found.reductions[node] = None
            elif self._comes_before(node, level):
                self._store(node)
            elif node in self.sums:
                level.sums[node] = self.sums[node]
                products, gathered = self.sums[node]
                for product in products:
                    self._store(product.inputs[0])
                for other in gathered.others:
                    visit(other)
            else:
                # The second operand of broadcast, and that of size, give a shape alone.
                count = {OPS["broadcast"]: 1, OPS["size"]: 0}.get(node.op)
                for operand in node.inputs[:count]:
                    visit(operand)
                level.body.append(node)

        for node in [*level.stores, *level.spills]:
            visit(node)

    def _comes_before(self, node: Node, level: Level) -> bool:
        """Whether a level finds a value ready, instead of computing it."""
        number = not node.shape and level.kind == SWEEP
        earlier = number or self.depth[node] < level.depth
        return earlier and node not in self.again

    def _at(self, depth: int, kind: int, node: Node) -> Level:
        """The level at a depth that sweeps what a node is as wide as."""
        size = node.shape[0] if node.shape else ONE
        key = (depth, kind, size)
        return self.found.setdefault(key, Level(*key))

    def _store(self, node: Node) -> None:
        if node not in self.known:
            self._level(node).spills[node] = None
