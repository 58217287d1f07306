"""Finds what depends on weights alone: computed once, ahead of the loop over time."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from refrain.graph.graph import ordered
from refrain.graph.node import BOOL, Node
from refrain.graph.ops import OPS, PRODUCTS, REDUCTIONS

# What needs more than one unit, or a shape alone, stays in the loop.
_STAY = {*PRODUCTS, *REDUCTIONS, OPS["broadcast"], OPS["size"]}


def of_weights(nodes: Iterable[Node], shared: Collection[Node]) -> set[Node]:
    """The nodes that are computed from weights and constants alone, unit by unit.

    Args:
        nodes: in the order in which they are computed.
        shared: leaves that are weights.
    """
    found = set(shared)
    for node in nodes:
        read = [i for i in node.inputs if i.op is not OPS["constant"]]
        alone = bool(read) and all(i in found for i in read)
        if alone and node.op not in _STAY and node.dtype != BOOL:
            found.add(node)
    return found.difference(shared)


def read_from_weights(
    targets: Iterable[Node], known: Collection[Node], shared: Collection[Node]
) -> list[Node]:
    """Values of weights alone that the rest of a step reads, or stores.

    Weights are among them of which a product or a reduction reads all units at once.

    Args:
        targets: what a step must store.
        known: values that lie in memory before the step, weights among them.
        shared: leaves that are weights.
    """
    nodes = [n for n in ordered(targets, stop=known) if n not in known]
    found = of_weights(nodes, shared)
    read = {i for n in nodes if n not in found for i in n.inputs} | set(targets)
    whole = (n.inputs[0] for n in nodes if n.op in (*PRODUCTS, *REDUCTIONS))
    leaves = dict.fromkeys(left for left in whole if left in shared)
    return [*leaves, *(n for n in nodes if n in found and n in read)]
