"""A cell's equations as the body of a Scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import TensorProto

from refrain.export.loop import Result, last_step, zeros
from refrain.export.masks import Mask
from refrain.export.primitives import write_nodes
from refrain.export.writer import FLOAT, Name, Writer, value_info
from refrain.graph.graph import OUTPUT, Graph
from refrain.graph.hoist import hoisted
from refrain.graph.masking import MASK
from refrain.graph.node import BOOL, REAL, Node
from refrain.network.records import Loop

_TYPES = {REAL: FLOAT, BOOL: TensorProto.BOOL}


def write_scan(
    w: Writer,
    loop: Loop,
    x: Name,
    states: Mapping[str, Name],
    mask: Mask | None,
) -> Result:
    """Write a cell as a Scan; see `write_loops`."""
    graph = loop.graph(mask is not None)
    sizes = loop.states(mask is not None)
    entering = {graph.leaves["x"]: x}
    if mask is not None:
        number = w.add("Cast", mask.counts, to=FLOAT)
        entering[graph.leaves[MASK]] = w.add("Unsqueeze", number, w.integers(-1))
    weights = {
        node: np.asarray(loop.weights[name])
        for name, node in graph.leaves.items()
        if name in loop.weights
    }
    moving, still = hoisted(graph, [f"{s}_prev" for s in sizes])
    moving = moving or [graph.leaves["x"]]  # it tells how many steps there are
    known = write_nodes(w, [*moving, *still], entering, weights)
    direction = int(loop.against_time)
    found = w.add(
        "Scan",
        *(states.get(s) or zeros(w, x, size) for s, size in sizes.items()),
        *(known[n] for n in moving),
        count=len(sizes) + 1,
        body=_body(w, loop, graph, sizes, moving, known, weights),
        num_scan_inputs=len(moving),
        scan_input_axes=[1] * len(moving),
        scan_input_directions=[direction] * len(moving),
        scan_output_axes=[1],
        scan_output_directions=[direction],
    )
    *last, outputs = found
    final = last_step(w, outputs, loop.against_time)
    return Result(outputs, final, dict(zip(sizes, last, strict=True)))


def _body(
    w: Writer,
    loop: Loop,
    graph: Graph,
    sizes: Mapping[str, int],
    moving: Sequence[Node],
    known: Mapping[Node, Name],
    weights: Mapping[Node, np.ndarray],
):
    """One step as the body of a Scan: states and moving values in, states out."""
    body = Writer(w)
    old = {s: body.name(f"{s}_prev") for s in sizes}
    now = {node: body.name("now") for node in moving}
    leaves = {
        graph.leaves[f"{s}_prev"]: n
        for s, n in old.items()
        if f"{s}_prev" in graph.leaves
    }
    wanted = {**{s: graph.results[s] for s in sizes}, OUTPUT: graph.results[OUTPUT]}
    names = write_nodes(
        body, list(wanted.values()), {**known, **now, **leaves}, weights
    )
    following = graph.depending({"x", MASK, *(f"{s}_prev" for s in sizes)})
    widths = {**sizes, OUTPUT: loop.sized.output_size}
    results = {}
    for name, node in wanted.items():
        value = names[node]
        if node not in following:  # weights alone: the same for all samples
            some = next(iter(old.values()))
            value = body.add("Add", zeros(body, some, widths[name]), value)
        results[name] = body.name(name)
        body.rename(value, results[name])
    inputs = [
        *(value_info(old[s], ["batch", size]) for s, size in sizes.items()),
        *(
            value_info(n, ["batch", None if node.shape else 1], _TYPES[node.dtype])
            for node, n in now.items()
        ),
    ]
    outputs = [value_info(n, ["batch", widths[k]]) for k, n in results.items()]
    return body.graph(f"{graph.name}_step", inputs, outputs)
