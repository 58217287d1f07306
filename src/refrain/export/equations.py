"""Formulas of layers as ONNX nodes."""

from __future__ import annotations

import numpy as np

from refrain.derive.simplify import simplify
from refrain.export.primitives import write_nodes
from refrain.export.writer import Name, Writer
from refrain.graph.graph import OUTPUT, Graph, leaf
from refrain.graph.node import building
from refrain.network.formulas import Formula

_SHAPES = {0: (), 1: ("units",), 2: ("features", "units")}


def write_formula(w: Writer, formula: Formula, x: Name) -> Name:
    """Write what a formula makes of a value's last axis.

    Args:
        w: where to.
        formula: of one step.
        x: `(..., size)`.
    """
    given = formula.weights
    # A value that a matrix multiplies has the size of its rows.
    rows = any(array.ndim == 2 for array in given.values())
    with building():
        entering = leaf("x", ("features",) if rows else ("units",))
        leaves = {n: leaf(n, _SHAPES[a.ndim]) for n, a in given.items()}
        result = formula.apply(entering, **leaves)
        graph = Graph("layer", {"x": entering, **leaves}, {OUTPUT: result})
    graph = simplify(graph)
    arrays = {graph.leaves[n]: np.asarray(a, np.float32) for n, a in given.items()}
    target = graph.results[OUTPUT]
    return write_nodes(w, [target], {graph.leaves["x"]: x}, arrays)[target]
