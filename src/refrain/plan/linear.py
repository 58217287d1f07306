"""Recognises cells that are linear in their states.

Their new states are `A * old + B`, where A and B follow the input alone: such a
recurrence can also run as an associative scan over time (Blelloch 1990).
"""

from __future__ import annotations

from collections.abc import Sequence

from refrain.graph.graph import Graph
from refrain.graph.node import Node
from refrain.graph.ops import OPS

_SUMS = {OPS[n] for n in ("add", "subtract", "negative")}
_OF_FIRST = {OPS[n] for n in ("matmul", "matmul_transposed", "sum", "mean", "divide")}


def is_linear(graph: Graph, states: Sequence[str]) -> bool:
    """Whether every new state is of degree 1 at most in the old ones."""
    degree: dict[Node, float] = {}
    old = {f"{s}_prev" for s in states}
    for node in graph.nodes():
        degree[node] = _degree(node, [degree[i] for i in node.inputs], old)
    return all(degree[graph.results[s]] <= 1 for s in states)


def _degree(node: Node, operands: list[float], old: set[str]) -> float:
    """The degree of a value in the old states; infinite where it is no polynomial."""
    if node.op is OPS["leaf"]:
        return 1 if node.attribute in old else 0
    if node.op is OPS["size"] or not any(operands):
        return 0
    if node.op in _SUMS:
        return max(operands)
    if node.op is OPS["multiply"]:
        return sum(operands)
    if node.op is OPS["broadcast"]:
        return operands[0]
    if node.op is OPS["where"] and operands[0] == 0:
        return max(operands)
    if node.op in _OF_FIRST and not any(operands[1:]):
        return operands[0]
    return float("inf")
