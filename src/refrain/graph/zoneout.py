"""Zoneout as a change of the equations, so that every path runs it alike.

In training each unit of a state keeps its old value with a given probability, drawn
anew for every step; elsewhere the new state is the expectation of that (Krueger et al.
2016, 1606.01305). Equations of one step read what the step computes: as in the paper,
the LSTM's `h` follows from the cell state before zoneout. An output that is a state is
the state after zoneout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from refrain.graph.graph import OUTPUT, Graph, leaf
from refrain.graph.node import building
from refrain.graph.ops import op

ZONEOUT = "zoneout"


def with_zoneout(graph: Graph, rates: Mapping[str, float | None]) -> Graph:
    """The graph with states that keep old values.

    Args:
        graph: one step of a cell.
        rates: by state, the probability of the old value; None where a leaf
            `zoneout.<state>` says it for each unit and step, 1 for the old value.
    """
    results, moving = dict(graph.results), list(graph.moving)
    leaves = dict(graph.leaves)
    with building((*graph.leaves.values(), *graph.nodes())):
        for state, rate in rates.items():
            new, old = graph.results[state], graph.leaves[f"{state}_prev"]
            if rate is None:
                name = f"{ZONEOUT}.{state}"
                leaves[name] = leaf(name, old.shape, new.origin)
                moving.append(name)
                kept = op("where", op("greater", leaves[name], 0.5), old, new)
            else:
                kept = rate * old + (1.0 - rate) * new
            results[state] = kept
            if graph.results[OUTPUT] is new and results[OUTPUT] is new:
                results[OUTPUT] = kept
    return replace(graph, leaves=leaves, results=results, moving=tuple(moving))
