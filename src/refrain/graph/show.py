"""A stable text form of a graph: for golden files, messages, saved cells and the CLI.

`parse` reads it back.
"""

from __future__ import annotations

from itertools import count

from refrain.graph.graph import Graph
from refrain.graph.node import Node
from refrain.graph.ops import OPS

INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@"}


def show(graph: Graph) -> str:
    """One line a leaf, one a primitive, one a result.

    Values are numbered in the order in which they are computed; weights and inputs
    keep their names, with their symbolic shapes.
    """
    names = labels(graph)
    lines = [f"graph {graph.name}"]
    lines += [f"  {name}: {_shape(node)}" for name, node in graph.leaves.items()]
    lines += [
        f"  {name} = {_expression(node, names)}: {_shape(node)}"
        for node, name in names.items()
        if name.startswith("%")
    ]
    lines += [f"  -> {name} = {names[node]}" for name, node in graph.results.items()]
    return "\n".join(lines) + "\n"


def labels(graph: Graph) -> dict[Node, str]:
    """What the text calls each value: a leaf by its name, a constant by its number."""
    found = {node: name for name, node in graph.leaves.items()}
    numbers = count()
    for node in graph.nodes():
        if node.op is OPS["constant"]:
            found[node] = f"{node.attribute!r}"  # exact: 0.1 and 1e-05 as they are
        elif node not in found:
            found[node] = f"%{next(numbers)}"
    return found


def _expression(node: Node, names: dict[Node, str]) -> str:
    operands = [names[i] for i in node.inputs]
    if node.op.name in INFIX:
        return f" {INFIX[node.op.name]} ".join(operands)
    return f"{node.op.name}({', '.join(operands)})"


def _shape(node: Node) -> str:
    return f"({', '.join(node.shape)}{',' if len(node.shape) == 1 else ''})"
