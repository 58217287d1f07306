"""What of a step need not wait for its turn: values that no state changes."""

from __future__ import annotations

from collections.abc import Collection

from refrain.graph.graph import Graph
from refrain.graph.node import Node


def hoisted(graph: Graph, states: Collection[str]) -> tuple[list[Node], list[Node]]:
    """What a step reads of values that no state changes.

    Args:
        graph: one step of a cell.
        states: names of the leaves that hold the old states, `h_prev`.

    Returns:
        Values that vary in time, and values that stay the same over it.
    """
    inside = graph.depending(states)
    along = graph.depending(graph.moving)
    read = dict.fromkeys(
        operand
        for node in graph.nodes()
        if node in inside
        for operand in node.inputs
        if operand not in inside
    )
    read |= dict.fromkeys(n for n in graph.results.values() if n not in inside)
    moving = [n for n in read if n in along]
    still = [n for n in read if n not in along and n.inputs]
    return moving, still
