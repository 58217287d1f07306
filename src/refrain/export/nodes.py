"""Cells as ONNX's recurrent nodes, which run one direction or both.

A node's arrays have the time first, and directions before the batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from refrain.export.loop import Result, last_step
from refrain.export.masks import Mask, Packed, pack, unpack
from refrain.export.recognise import KnownCell
from refrain.export.writer import Name, Writer
from refrain.graph.masking import HELD
from refrain.network.records import Loop


def write_node(
    w: Writer,
    loops: Sequence[Loop],
    cells: Sequence[KnownCell],
    x: Name,
    states: Sequence[Mapping[str, Name]],
    mask: Mask | None,
) -> list[Result]:
    """Write one node for one cell, or for two that are alike; see `write_loops`."""
    first, *_ = cells
    packed = pack(w, x, mask) if mask else Packed(x, "")
    operands = [
        w.add("Transpose", packed.x, perm=[1, 0, 2]),
        w.constant(np.stack([c.kernel for c in cells]), "kernel"),
        w.constant(np.stack([c.recurrent_kernel for c in cells]), "recurrent_kernel"),
        w.constant(np.stack([c.bias for c in cells]), "bias"),
        packed.lengths,
        *_first_states(w, cells, states),
    ]
    if first.peepholes is not None:
        operands.append(w.constant(_stacked(c.peepholes for c in cells), "peepholes"))
    while not operands[-1]:
        operands.pop()
    sequence, *last = w.add(
        first.op,
        *operands,
        count=1 + len(first.states),
        **_attributes(loops, cells),
    )
    outputs = _directions(w, sequence, len(cells), axis=1)
    by_state = [_directions(w, name, len(cells), axis=0) for name in last]
    return [
        _result(
            w,
            loop,
            w.add("Transpose", outputs[k], perm=[1, 0, 2]),
            {s: parts[k] for s, parts in zip(cell.states, by_state, strict=True)},
            old,
            mask,
            packed,
        )
        for k, (loop, cell, old) in enumerate(zip(loops, cells, states, strict=False))
    ]


def _first_states(
    w: Writer, cells: Sequence[KnownCell], states: Sequence[Mapping[str, Name]]
) -> list[Name]:
    """First states in the node's order; no name where they are zero."""
    found = []
    for k in range(len(cells[0].states)):
        given = [o.get(c.states[k], "") for c, o in zip(cells, states, strict=False)]
        if not all(given):
            found.append("")
            continue
        parts = [w.add("Unsqueeze", name, w.integers(0)) for name in given]
        both = len(parts) > 1
        found.append(w.add("Concat", *parts, axis=0) if both else parts[0])
    return found


def _directions(w: Writer, value: Name, count: int, axis: int) -> list[Name]:
    """One value for each direction, without the axis of directions."""
    parts = [value]
    if count > 1:
        parts = w.add("Split", value, w.integers(1, 1), count=2, axis=axis)
    return [w.add("Squeeze", part, w.integers(axis)) for part in parts]


def _result(
    w: Writer,
    loop: Loop,
    outputs: Name,
    new: dict[str, Name],
    old: Mapping[str, Name],
    mask: Mask | None,
    packed: Packed,
) -> Result:
    last_output = next(iter(new.values()))
    if mask is None:
        return Result(outputs, last_output, new)
    kind = (loop.against_time, loop.zero_output_for_mask)
    outputs = unpack(w, outputs, mask, *kind, old.get(HELD))
    last_output = last_step(w, outputs, loop.against_time)
    kept = _keep_untouched(w, packed.lengths, old, new)
    return Result(outputs, last_output, {**kept, HELD: last_output})


def _keep_untouched(
    w: Writer, lengths: Name, old: Mapping[str, Name], new: Mapping[str, Name]
) -> dict[str, Name]:
    """The new states; the old ones of samples without a step that counts."""
    # ONNX Runtime gives these samples zero.
    empty = w.add("Equal", lengths, w.constant(np.int32(0), "none"))
    empty = w.add("Unsqueeze", empty, w.integers(1))
    return {
        s: w.add("Where", empty, old[s], value) if s in old else value
        for s, value in new.items()
    }


def _attributes(loops: Sequence[Loop], cells: Sequence[KnownCell]) -> dict[str, Any]:
    direction = "reverse" if loops[0].against_time else "forward"
    used = [a for cell in cells for a in cell.activations]
    # Functions that take no number have no place in these lists.
    alphas = [a.alpha for a in used if a.alpha is not None]
    betas = [a.beta for a in used if a.beta is not None]
    return {
        "hidden_size": cells[0].recurrent_kernel.shape[1],
        "direction": "bidirectional" if len(cells) > 1 else direction,
        "activations": [a.name for a in used],
        **({"activation_alpha": alphas} if alphas else {}),
        **({"activation_beta": betas} if betas else {}),
        **cells[0].attributes,
    }


def _stacked(arrays: Iterable[np.ndarray | None]) -> np.ndarray:
    return np.stack([a for a in arrays if a is not None])
