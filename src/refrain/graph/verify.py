"""Checks that a graph keeps its own rules; run between stages in the tests."""

from __future__ import annotations

from refrain.errors import CellShapeError, GraphError
from refrain.graph.graph import Graph
from refrain.graph.node import BOOL, Node, building
from refrain.graph.ops import OPS


def verify(graph: Graph) -> Graph:
    """Return the graph, or say which rule it breaks.

    Raises:
        GraphError: an unlisted leaf, an unknown primitive, a shape that its rule
            does not give, a truth value where a number is due, a missing output.
    """
    if not graph.results:
        raise GraphError(f"{graph.name}: no results")
    for node in graph.nodes():
        _verify_node(graph, node)
    return graph


def _verify_node(graph: Graph, node: Node) -> None:
    where = f"{graph.name}: {node.describe()}"
    if OPS.get(node.op.name) is not node.op:
        raise GraphError(f"{where}: {node.op.name} is no listed primitive")
    if node.op is OPS["leaf"]:
        if graph.leaves.get(str(node.attribute)) is not node:
            raise GraphError(f"{where}: leaf is not listed in the graph")
        return
    if node.op is OPS["constant"]:
        return
    with building():
        try:
            expected = node.op.shape(*node.inputs)
        except CellShapeError as error:
            reason = str(error).partition("\n")[0]
            raise GraphError(f"{where}: {reason}") from None
    if expected != node.shape:
        raise GraphError(f"{where}: shape {node.shape}, its rule gives {expected}")
    for position, operand in enumerate(node.inputs):
        truth_due = node.op is OPS["where"] and position == 0
        if (operand.dtype == BOOL) != truth_due:
            raise GraphError(f"{where}: operand {position} is {operand.dtype}")
