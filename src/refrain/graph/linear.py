"""Recognises cells that are linear in their states, unit by unit.

The states of such a cell follow each other in levels. A level's new states are
`factor * old + rest`, where factor and rest are vectors that follow the input and the
states of earlier levels alone: a recurrence that can also run as an associative scan
over time (Blelloch 1990). States that depend on each other share a level.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from refrain.graph.graph import Graph, constant, ordered
from refrain.graph.node import Node, building
from refrain.graph.ops import op


@dataclass(frozen=True)
class Level:
    """States that are solved together.

    Attributes:
        states: their names.
        factors: by new and old state, what multiplies the old one; none for 0.
        rests: by new state, what is added; none for 0.
    """

    states: tuple[str, ...]
    factors: Mapping[tuple[str, str], Node]
    rests: Mapping[str, Node]


def linear_levels(graph: Graph, states: Sequence[str]) -> tuple[Level, ...]:
    """The levels of a cell, in the order in which they can be solved.

    Empty where a state is not linear in those of its level, or not unit by unit.
    """
    with building((*graph.leaves.values(), *graph.nodes())):
        try:
            return tuple(_level(graph, s) for s in _together(graph, states))
        except _NotLinear:
            return ()


class _NotLinear(Exception):  # noqa: N818 (a finding, caught above)
    """A value is no sum of old states, each times a vector, and a vector."""


def _together(graph: Graph, states: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """States that depend on each other, those first that the others depend on."""
    inside = {s: graph.depending({f"{s}_prev"}) for s in states}
    reads = {
        new: {new, *(old for old in states if graph.results[new] in inside[old])}
        for new in states
    }
    for _ in states:
        reads = {s: set().union(*(reads[r] for r in reads[s])) for s in states}
    for s in sorted(states, key=lambda s: len(reads[s])):
        mutual = tuple(r for r in states if r in reads[s] and s in reads[r])
        if mutual[0] == s:
            yield mutual


def _level(graph: Graph, states: tuple[str, ...]) -> Level:
    old = {graph.leaves[f"{s}_prev"]: s for s in states}
    sums: dict[Node, dict[str, Node]] = {}
    for node in ordered(graph.results[s] for s in states):
        if node in old:
            sums[node] = {old[node]: constant(1.0)}
        elif any(set(sums[i]) - {""} for i in node.inputs):
            sums[node] = _combined(node, [sums[i] for i in node.inputs])
        else:
            sums[node] = {"": node}
    found = {s: sums[graph.results[s]] for s in states}
    factors = {(new, s): v for new in states for s, v in found[new].items() if s}
    return Level(states, factors, {s: v[""] for s, v in found.items() if "" in v})


# A sum is written as what multiplies each old state, by name, and the rest by "".
def _combined(node: Node, sums: list[dict[str, Node]]) -> dict[str, Node]:
    """The sum that a primitive makes of its operands' sums."""
    name = node.op.name
    free = [set(s) <= {""} for s in sums]
    if name == "negative":
        return {s: -v for s, v in sums[0].items()}
    if name in ("add", "subtract"):
        first, second = sums
        if name == "subtract":
            second = {s: -v for s, v in second.items()}
        both = {s: first[s] + v for s, v in second.items() if s in first}
        return {**first, **second, **both}
    if name == "multiply" and any(free):
        k = free.index(True)
        return {s: v * node.inputs[k] for s, v in sums[1 - k].items()}
    if name == "divide" and free[1]:
        return {s: v / node.inputs[1] for s, v in sums[0].items()}
    if name == "where" and free[0]:
        _, first, second = sums
        return {
            s: op("where", node.inputs[0], first.get(s, 0.0), second.get(s, 0.0))
            for s in {**first, **second}
        }
    raise _NotLinear(node.describe())
