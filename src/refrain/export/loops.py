"""A cell over time in ONNX, in one or both directions.

It is one of ONNX's recurrent nodes where its equations are that node's, and a Scan of
the equations elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from refrain.export.loop import Result
from refrain.export.masks import Mask
from refrain.export.nodes import write_node
from refrain.export.recognise import recognise
from refrain.export.scan import write_scan
from refrain.export.writer import Name, Writer
from refrain.network.records import Loop


def write_loops(
    w: Writer,
    loops: Sequence[Loop],
    x: Name,
    states: Sequence[Mapping[str, Name]] = ({}, {}),
    mask: Mask | None = None,
) -> list[Result]:
    """Write cells that read one sequence, the second of two against time.

    Args:
        w: where to.
        loops: the cells.
        x: `(batch, timesteps, features)`.
        states: first states of each by name; zero where none are given.
        mask: which steps count; where there is one, states may hold `held`, the
            output before the first step.
    """
    known = [recognise(o.sized, o.features, o.weights) for o in loops]
    nodes = [k for k in known if k is not None]
    if len(loops) == len(nodes) == 2 and nodes[0].alike(nodes[1]):
        return write_node(w, loops, nodes, x, states, mask)
    return [
        write_scan(w, loop, x, first, mask)
        if cell is None
        else write_node(w, [loop], [cell], x, [first], mask)[0]
        for loop, cell, first in zip(loops, known, states, strict=False)
    ]
