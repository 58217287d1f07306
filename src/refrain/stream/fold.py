"""An embedding and the products of its vectors, folded into one table of results.

A word's vector is multiplied by the same matrices each time that the word comes. A
table of the products takes their place, where it is small enough to be made at once.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from refrain.graph.graph import leaf, rewrite
from refrain.graph.node import Node
from refrain.graph.ops import OPS
from refrain.stream.stepper import Stepper

LARGEST = 8 << 20  # bytes of a table


def folded(stepper: Stepper) -> Stepper:
    """A step that computes the same, with a table of products if that is faster.

    It is for the moment, and not to be saved: the vectors of words are gone from it.
    """
    graph, table = stepper.graph, stepper.table
    if table is None:
        return stepper
    x = graph.leaves["x"]
    products = [node for node in graph.nodes() if x in node.inputs]
    if x in graph.results.values() or any(p.op is not OPS["matmul"] for p in products):
        return stepper
    names = {str(product.inputs[1].attribute): product for product in products}
    width = sum(stepper.arrays[name].shape[1] for name in names)
    if not 0 < len(table) * width * table.itemsize <= LARGEST:
        return stepper
    entering = {product: f"x_{name}" for name, product in names.items()}

    def rule(node: Node, _: tuple[Node, ...]) -> Node | None:
        return leaf(entering[node], node.shape) if node in entering else None

    made = rewrite(graph, rule)
    # A matrix may be read elsewhere, too.
    gone = {"x", *names} - {str(node.attribute) for node in made.nodes()}
    leaves = {name: node for name, node in made.leaves.items() if name not in gone}
    return replace(
        stepper,
        graph=replace(made, leaves=leaves, moving=tuple(entering.values())),
        arrays={n: a for n, a in stepper.arrays.items() if n not in gone},
        table=np.hstack([table @ stepper.arrays[name] for name in names]),
    )
