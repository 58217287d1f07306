"""Gradients of vectors are summed over time as they arise, instead of being stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from refrain.graph.graph import Graph, leaf
from refrain.graph.node import Node, building
from refrain.graph.ops import op
from refrain.plan.idle import idle_values, is_zero
from refrain.plan.layout import Machine, slots
from refrain.plan.program import SAMPLE, Buffer, Place

TOTALS = "totals"


@dataclass(frozen=True)
class Totals:
    """Values whose sums over time are kept, a row of memory for each sample.

    Attributes:
        places: of the total of each value.
        before, after: a step reads the total so far, a leaf, and stores the new one.
        buffers: the memory; none where there are no totals.
    """

    places: Mapping[Node, Place]
    before: Mapping[Node, Place]
    after: Mapping[Node, Place]
    buffers: tuple[Buffer, ...]


def running_totals(
    gradient: Graph,
    values: Collection[Node],
    sizes: Mapping[str, int],
    machine: Machine,
) -> Totals:
    """Totals of all values that are zero wherever a mask leaves out the step.

    Args:
        gradient: of one step.
        values: some of its nodes.
        sizes: numbers for the symbolic sizes.
        machine: whose vectors rows are made of.
    """
    idle = idle_values(gradient, values)
    kept = [node for node in values if not idle or is_zero(idle[node])]
    places, width = slots(kept, sizes, machine, TOTALS)
    before, after = {}, {}
    with building(tuple(gradient.nodes())):
        for k, node in enumerate(kept):
            so_far = leaf(f"total_{k}", node.shape)
            before[so_far] = places[node]
            after[op("add", so_far, node)] = places[node]
    buffers = (Buffer(TOTALS, SAMPLE, width),) if kept else ()
    return Totals(places, before, after, buffers)
