"""Resets as a change of the equations, so that every path treats them alike.

A reset means that a sequence begins anew at a step, whether or not the step counts:
before it, the states are what they are at the start of a sequence, zero or trained,
and no output is held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from refrain.graph.graph import Graph, constant, leaf, rewrite
from refrain.graph.masking import HELD
from refrain.graph.node import Node
from refrain.graph.ops import op

RESETS = "resets"
START = "start"  # with a state's name: the trained vector at which it starts


def with_resets(graph: Graph, states: Sequence[str], trained: bool) -> Graph:
    """The graph with a leaf `resets`, 1 where a sequence begins anew and 0 elsewhere.

    Args:
        graph: one step of a cell, all other changes in it.
        states: all that it carries, the held output included.
        trained: states start at the leaves `start.<state>` instead of at zero.
    """
    carried = {f"{state}_prev": state for state in states}

    def rule(node: Node, _: tuple[Node, ...]) -> Node | None:
        state = carried.get(str(node.attribute)) if not node.inputs else None
        if state is None:
            return None
        starts = trained and state != HELD
        start = leaf(f"{START}.{state}", node.shape) if starts else constant(0.0)
        return op("where", op("greater", leaf(RESETS, ()), 0.5), start, node)

    made = rewrite(graph, rule)
    leaves = {**made.leaves, **{n: graph.leaves[n] for n in carried}}
    return replace(made, leaves=leaves, moving=(*graph.moving, RESETS))
