"""Save or recompute: which forward values the backward pass finds on the tape.

What took a product or a reduction to compute is saved. Computed again is what is no
dearer than its traffic: sums and products of what the backward pass finds, and some
functions of it that take as long as a store and a load, such as an LSTM's `tanh(c)`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from refrain.graph.graph import Graph
from refrain.graph.node import BOOL, Node
from refrain.graph.ops import OPS
from refrain.plan.ahead import of_weights
from refrain.plan.gather import outer_of

CHEAP = {
    OPS[name]
    for name in (
        *("constant", "add", "subtract", "multiply", "negative", "maximum", "minimum"),
        *("abs", "sign", "greater", "equal", "where", "broadcast", "size"),
    )
}
# Divisions, and functions of more than one exponential, are dearer than their traffic.
FUNCTIONS = {OPS[name] for name in ("exp", "expm1", "sigmoid", "sqrt", "tanh")}


def choose_saved(
    forward: Graph,
    backward: Graph,
    states: Collection[str],
    weights: Collection[Node] = (),
) -> list[Node]:
    """Forward values to be saved, in the order in which they are computed.

    Leaves and states, old and new, are not among them: the backward pass finds them
    anyhow.

    Args:
        forward: one step.
        backward: its gradient, on the same nodes.
        states: names of the states.
        weights: leaves; what depends on them alone is the same at every step.
    """
    own = set(forward.nodes())
    gradient = [n for n in backward.nodes() if n not in own]
    outers = [outer_of(n) for n in gradient if n.op is OPS["outer"]]
    streamed = {outer.left for outer in outers}
    read = {i for n in gradient if n.op is not OPS["outer"] for i in n.inputs}
    read |= streamed | {outer.right for outer in outers}
    read = {number for node in read for number in _numbers_behind(node)}
    found = {*forward.leaves.values(), *(forward.results[s] for s in states)}
    found |= of_weights(forward.nodes(), weights)
    saved: list[Node] = []
    for node in forward.nodes():
        if node in found:
            continue
        again = node.op in CHEAP or node.op in FUNCTIONS
        if again and node not in streamed and all(i in found for i in node.inputs):
            found.add(node)  # recomputed where it is read
        elif node in read:
            saved.append(node)
            found.add(node)
    return saved


def _numbers_behind(node: Node) -> Iterator[Node]:
    """A number itself; what a truth value compares, as memory holds numbers alone."""
    if node.dtype != BOOL:
        yield node
        return
    for operand in node.inputs:
        yield from _numbers_behind(operand)
