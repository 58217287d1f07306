"""The NumPy interpreter: the definition of what a cell's equations mean.

`evaluate` computes one graph; `run` repeats it over time. It is slow and plain on
purpose: native kernels, the Keras scan and exported models are tested against it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from refrain.errors import GraphError
from refrain.graph.graph import OUTPUT, Graph
from refrain.graph.node import Node
from refrain.graph.ops import OPS

Arrays = Mapping[str, np.ndarray]


def evaluate(graph: Graph, values: Arrays) -> dict[str, np.ndarray]:
    """Compute a graph's results.

    Args:
        graph: one step, or a gradient of one.
        values: an array for each leaf: `(batch, size)` for the input, states and
            gradients, `(rows, columns)` for a matrix, `(size,)` for a vector.

    Returns:
        One array a result, of the same float dtype as the values.
    """
    known: dict[Node, np.ndarray] = {}
    dtype = np.result_type(*(np.asarray(v) for v in values.values()))
    with np.errstate(all="ignore"):
        for node in graph.nodes():
            known[node] = _value(node, known, values, dtype)
    return {name: known[node] for name, node in graph.results.items()}


def _value(
    node: Node, known: dict[Node, np.ndarray], values: Arrays, dtype: np.dtype
) -> np.ndarray:
    if node.op is OPS["constant"]:
        return np.asarray([[node.attribute]], dtype=dtype)
    if node.op is OPS["leaf"]:
        name = str(node.attribute)
        if name not in values:
            raise GraphError(f"no value given for {name}")
        return np.atleast_2d(np.asarray(values[name], dtype=dtype))
    return node.op.value(*(known[i] for i in node.inputs))


def run(
    graph: Graph, x: np.ndarray, states: Arrays, weights: Arrays
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Run a cell over a sequence.

    Args:
        graph: one step of the cell.
        x: `(batch, timesteps, features)`.
        states: first states by name (`h`), each `(batch, size)`.
        weights: an array for each weight leaf (`W.i`).

    Returns:
        Outputs `(batch, timesteps, units)` and every state after every step, each
        `(batch, timesteps, size)`.
    """
    states = {name: np.asarray(value) for name, value in states.items()}
    history = {name: [value] for name, value in states.items()}
    outputs: list[np.ndarray] = []
    count = x.shape[1]
    if count == 0:  # a step that is thrown away tells how wide an output is
        x = np.zeros((len(x), 1, x.shape[2]), x.dtype)
    for t in range(x.shape[1]):
        previous = {f"{name}_prev": value for name, value in states.items()}
        step = evaluate(graph, {"x": x[:, t], **previous, **weights})
        # A state that follows from weights alone is the same for all samples.
        states = {n: np.broadcast_to(step[n], s.shape) for n, s in states.items()}
        outputs.append(np.broadcast_to(step[OUTPUT], (len(x), step[OUTPUT].shape[1])))
        for name, value in states.items():
            history[name].append(value)
    after = {n: np.stack(v, axis=1)[:, 1 : count + 1] for n, v in history.items()}
    return np.stack(outputs, axis=1)[:, :count], after
