"""Equations of layers without a state, written once as formulas over nodes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from refrain.derive.simplify import simplify
from refrain.export.primitives import write_nodes
from refrain.export.writer import Name, Writer
from refrain.graph.graph import Graph, leaf
from refrain.graph.node import Node, building

_SHAPES = {0: (), 1: ("units",), 2: ("features", "units")}


def write_formula(
    w: Writer,
    formula: Callable[..., Node],
    x: Name,
    rows: bool = False,
    **weights: np.ndarray | None,
) -> Name:
    """Write what a formula makes of a value's last axis.

    Args:
        w: where to.
        formula: of `x` and the weights; one that is None is not passed.
        x: `(..., size)`.
        rows: the value is multiplied by a matrix, so its size is that of rows.
        **weights: arrays by the name of the formula's argument.
    """
    given = {n: a for n, a in weights.items() if a is not None}
    with building():
        entering = leaf("x", ("features",) if rows else ("units",))
        leaves = {n: leaf(n, _SHAPES[a.ndim]) for n, a in given.items()}
        result = formula(entering, **leaves)
        graph = Graph("layer", {"x": entering, **leaves}, {"output": result})
    graph = simplify(graph)
    arrays = {graph.leaves[n]: np.asarray(a, np.float32) for n, a in given.items()}
    target = graph.results["output"]
    return write_nodes(w, [target], {graph.leaves["x"]: x}, arrays)[target]
