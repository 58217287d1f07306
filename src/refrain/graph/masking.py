"""Masks as a change of the equations, so that every path treats them alike.

At a step whose mask is false the states stay as they are. The output is that of the
step before, zero before the first step that counts; or always zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from refrain.graph.graph import OUTPUT, Graph, constant, leaf
from refrain.graph.node import building
from refrain.graph.ops import op

MASK = "mask"
HELD = "held"  # a state that keeps the output of the step before


def with_mask(graph: Graph, states: Sequence[str], zero_output: bool) -> Graph:
    """The graph with a leaf `mask`, 1 where a step counts and 0 where it does not.

    Where skipped outputs are not zero, the graph reads `held_prev`, the output of the
    step before, which `hold_output` makes a state.
    """
    with building((*graph.leaves.values(), *graph.nodes())):
        output = graph.results[OUTPUT]
        mask = leaf(MASK, (), output.origin)
        counts = op("greater", mask, 0.5)
        leaves = {**graph.leaves, MASK: mask}
        kept = constant(0.0)
        if not zero_output:
            kept = leaf(f"{HELD}_prev", output.shape, output.origin)
            leaves[f"{HELD}_prev"] = kept
        results = {OUTPUT: op("where", counts, output, kept)}
        for state in states:
            new, old = graph.results[state], graph.leaves[f"{state}_prev"]
            results[state] = op("where", counts, new, old)
    return Graph(graph.name, leaves, results, (*graph.moving, MASK))


def hold_output(graph: Graph) -> Graph:
    """The graph with its output as one more state, `held`."""
    output = graph.results[OUTPUT]
    with building((*graph.leaves.values(), *graph.nodes())):
        held = leaf(f"{HELD}_prev", output.shape, output.origin)
    return replace(
        graph,
        leaves={**graph.leaves, f"{HELD}_prev": held},
        results={**graph.results, HELD: output},
    )
