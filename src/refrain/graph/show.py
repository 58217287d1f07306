"""A stable text form of a graph: for golden files, messages, saved cells and the CLI.

`parse` reads it back.
"""

from __future__ import annotations

from refrain.graph.graph import Graph
from refrain.graph.node import Node
from refrain.graph.ops import OPS

INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "matmul": "@"}


def show(graph: Graph) -> str:
    """One line a leaf, one a primitive, one a result.

    Values are numbered in the order in which they are computed; weights and inputs
    keep their names, with their symbolic shapes.
    """
    names: dict[Node, str] = {}
    count = 0
    lines = [f"graph {graph.name}"]
    for name, node in graph.leaves.items():
        names[node] = name
        lines.append(f"  {name}: {_shape(node)}")
    for node in graph.nodes():
        if node in names:
            continue
        if node.op is OPS["constant"]:
            names[node] = f"{node.attribute!r}"  # exact: 0.1 and 1e-05 as they are
            continue
        names[node] = f"%{count}"
        count += 1
        lines.append(f"  {names[node]} = {_expression(node, names)}: {_shape(node)}")
    lines += [f"  -> {name} = {names[node]}" for name, node in graph.results.items()]
    return "\n".join(lines) + "\n"


def _expression(node: Node, names: dict[Node, str]) -> str:
    operands = [names[i] for i in node.inputs]
    if node.op.name in INFIX:
        return f" {INFIX[node.op.name]} ".join(operands)
    return f"{node.op.name}({', '.join(operands)})"


def _shape(node: Node) -> str:
    return f"({', '.join(node.shape)}{',' if len(node.shape) == 1 else ''})"
