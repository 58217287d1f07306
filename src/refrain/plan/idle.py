"""What is left to do for samples whose mask leaves a step out.

With the mask at 0 most of a step falls away: states are kept, gradients pass by. A
tile without a sample that counts runs this rest, so padded steps cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from refrain.derive.simplify import simpler
from refrain.graph.graph import Graph, constant, ordered, rewrite
from refrain.graph.masking import MASK
from refrain.graph.node import Node, building
from refrain.graph.ops import OPS, PRODUCTS, REDUCTIONS, op

_HEAVY = {*PRODUCTS, *REDUCTIONS}


def idle_values(graph: Graph, nodes: Iterable[Node]) -> dict[Node, Node]:
    """What each node is where the mask is 0; empty if the graph has no mask.

    Values that still take a product or a reduction are only read by what the mask
    leaves out: they become 0.
    """
    if MASK not in graph.leaves:
        return {}
    nodes = list(nodes)
    mask = graph.leaves[MASK]

    def rule(node: Node, operands: tuple[Node, ...]) -> Node | None:
        if node is mask:
            return constant(0.0)
        name, zeros = node.op.name, [is_zero(o) for o in operands]
        if name == "where" and _is_false(operands[0]):
            return operands[2]
        if name in ("multiply", "matmul", "matmul_transposed") and any(zeros):
            return constant(0.0)
        if name in ("divide", "sum", "mean", "broadcast") and zeros[0]:
            return constant(0.0)
        return simpler(node, operands)

    whole = Graph(graph.name, graph.leaves, {str(k): n for k, n in enumerate(nodes)})
    folded = rewrite(whole, rule).results
    with building(tuple(ordered(folded.values()))):
        zero = constant(0.0)
    light = {node: folded[str(k)] for k, node in enumerate(nodes)}
    for node, value in light.items():
        if any(n.op in _HEAVY for n in ordered([value])):
            light[node] = zero
    return light


def guarded_values(graph: Graph, idle: Mapping[Node, Node]) -> dict[Node, Node]:
    """What each node is in a tile of several samples, some of which may be left out.

    Earlier stages may have left 0 of such a sample, and a division by it is no number.

    Args:
        graph: one step.
        idle: what each node is where the mask is 0; empty if the graph has no mask.
    """
    found = {}
    with building((*graph.leaves.values(), *graph.nodes(), *ordered(idle.values()))):
        for node, value in idle.items():
            counts = op("greater", graph.leaves[MASK], 0.5)
            has_it = node.op is OPS["where"] and node.inputs[::2] == (counts, value)
            found[node] = node if has_it else op("where", counts, node, value)
    return found


def is_zero(node: Node) -> bool:
    """Whether a value is the constant 0."""
    return node.op is OPS["constant"] and node.attribute == 0.0


def _is_false(node: Node) -> bool:
    """A comparison of numbers that does not hold."""
    if node.op is not OPS["greater"]:
        return False
    left, right = (n.attribute for n in node.inputs)
    return isinstance(left, float) and isinstance(right, float) and left <= right
