"""Recognises in a graph the functions that equations called, made of primitives."""

from __future__ import annotations

import functools

from refrain.graph.functions import ACTIVATIONS
from refrain.graph.graph import Graph, leaf
from refrain.graph.node import Node, building
from refrain.graph.ops import OPS

NORM = "norm"


@functools.cache
def _patterns() -> tuple[tuple[str, Node], ...]:
    """Functions of one vector as expressions of a hole, the largest first."""
    with building():
        hole = leaf("x", ("units",))
        found = {name: make(hole) for name, make in ACTIVATIONS.items()}
        sizes = {name: len(Graph("", {}, {"": p}).nodes()) for name, p in found.items()}
    made = [(name, found[name]) for name in found if len(found[name].inputs) > 0]
    return tuple(sorted(made, key=lambda pair: -sizes[pair[0]]))


def function_of(node: Node) -> tuple[str, Node] | None:
    """The name of a function of one vector and its operand, if the node is one."""
    if node.op is OPS["divide"] and node.inputs[0].op is OPS["subtract"]:
        value, mean = node.inputs[0].inputs
        # Of one vector or of several together: the statistics are numbers.
        if value.shape and not mean.shape and not node.inputs[1].shape and mean.inputs:
            return NORM, value
    for name, pattern in _patterns():
        bound: dict[str, Node] = {}
        if _matches(pattern, node, bound):
            return name, bound["x"]
    return None


def _matches(pattern: Node, node: Node, bound: dict[str, Node]) -> bool:
    if pattern.op is OPS["leaf"]:
        return bound.setdefault("x", node) is node
    return (
        pattern.op is node.op
        and pattern.attribute == node.attribute
        and len(pattern.inputs) == len(node.inputs)
        and all(
            _matches(p, n, bound)
            for p, n in zip(pattern.inputs, node.inputs, strict=True)
        )
    )
