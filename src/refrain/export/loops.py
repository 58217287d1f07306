"""A cell over time in ONNX: one of its recurrent nodes, or a Scan of the equations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from refrain.cells import SizedCell
from refrain.export.masks import Mask, Packed, pack, unpack
from refrain.export.primitives import write_nodes
from refrain.export.recognise import KnownCell, recognise
from refrain.export.writer import FLOAT, Name, Writer, value_info
from refrain.graph.graph import Graph
from refrain.graph.hoist import hoisted
from refrain.graph.masking import HELD, MASK
from refrain.graph.node import BOOL, REAL, Node
from refrain.runtime.driver import Request, step_graph

_TYPES = {REAL: FLOAT, BOOL: TensorProto.BOOL}
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Loop:
    """A cell over a sequence.

    Attributes:
        sized: the cell.
        features: size of its input.
        weights: float32, an array for each weight leaf (`W.i`).
        against_time: from the last step to the first.
        zero_output_for_mask: the output of a skipped step is zero, and not that of
            the step before.
    """

    sized: SizedCell
    features: int
    weights: Arrays
    against_time: bool = False
    zero_output_for_mask: bool = False

    def states(self, masked: bool) -> dict[str, int]:
        """Names and sizes of what goes from step to step."""
        request = self._request(masked)
        sizes = dict(zip(self.sized.cell.states, self.sized.state_size, strict=True))
        _, names = step_graph(request)
        return {n: sizes.get(n, self.sized.output_size) for n in names}

    def graph(self, masked: bool) -> Graph:
        """The equations of one step."""
        return step_graph(self._request(masked))[0]

    def _request(self, masked: bool) -> Request:
        kind = "zero" if self.zero_output_for_mask else "hold"
        return Request(self.sized, self.features, mask=kind if masked else None)


@dataclass(frozen=True)
class Result:
    """What a loop leaves.

    Attributes:
        outputs: `(batch, timesteps, units)`, in the order of time.
        last_output: `(batch, units)`, of the step that ran last.
        states: after the last step, by name, each `(batch, size)`.
    """

    outputs: Name
    last_output: Name
    states: dict[str, Name]


def write_loop(
    w: Writer,
    loop: Loop,
    x: Name,
    states: Mapping[str, Name] | None = None,
    mask: Mask | None = None,
) -> Result:
    """Write a cell over a sequence.

    Args:
        w: where to.
        loop: the cell.
        x: `(batch, timesteps, features)`.
        states: first states by name; zero where none are given.
        mask: which steps count; where there is one, `states` may hold `held`, the
            output before the first step.
    """
    known = recognise(loop.sized, loop.features, loop.weights)
    states = dict(states or {})
    if known is None:
        return _write_scan(w, loop, x, states, mask)
    return _write_known(w, loop, known, x, states, mask)


def _write_known(
    w: Writer,
    loop: Loop,
    known: KnownCell,
    x: Name,
    states: dict[str, Name],
    mask: Mask | None,
) -> Result:
    packed = pack(w, x, mask) if mask else Packed(x, "")
    # A node's arrays have the time first, and directions before the batch.
    first = [
        w.add("Unsqueeze", states[s], w.integers(0)) if s in states else ""
        for s in known.states
    ]
    peepholes = known.peepholes
    operands = [
        w.add("Transpose", packed.x, perm=[1, 0, 2]),
        w.constant(known.kernel[None], "kernel"),
        w.constant(known.recurrent_kernel[None], "recurrent_kernel"),
        w.constant(known.bias[None], "bias"),
        packed.lengths,
        *first,
        "" if peepholes is None else w.constant(peepholes[None], "peepholes"),
    ]
    while not operands[-1]:
        operands.pop()
    sequence, *last = w.add(
        known.op, *operands, count=1 + len(first), **_attributes(loop, known)
    )
    outputs = w.add(
        "Transpose", w.add("Squeeze", sequence, w.integers(1)), perm=[1, 0, 2]
    )
    new = {
        s: w.add("Squeeze", name, w.integers(0))
        for s, name in zip(known.states, last, strict=True)
    }
    last_output = new[known.states[0]]
    if mask is not None:
        new = _keep_untouched(w, packed.lengths, states, new)
        before = states.get(HELD)
        kind = (loop.against_time, loop.zero_output_for_mask)
        outputs = unpack(w, outputs, mask, *kind, before)
        last_output = last_step(w, outputs, loop.against_time)
        new[HELD] = last_output
    return Result(outputs, last_output, new)


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


def _attributes(loop: Loop, known: KnownCell) -> dict:
    used = known.activations
    # Functions that take no number have no place in these lists.
    alphas = [a.alpha for a in used if a.alpha is not None]
    betas = [a.beta for a in used if a.beta is not None]
    return {
        "hidden_size": known.recurrent_kernel.shape[1],
        "direction": "reverse" if loop.against_time else "forward",
        "activations": [a.name for a in used],
        **({"activation_alpha": alphas} if alphas else {}),
        **({"activation_beta": betas} if betas else {}),
        **known.attributes,
    }


def last_step(w: Writer, sequence: Name, against_time: bool) -> Name:
    """`(batch, size)`: the step of a sequence that ran last."""
    index = w.constant(np.int64(0 if against_time else -1), "index")
    return w.add("Gather", sequence, index, axis=1)


def zeros(w: Writer, x: Name, size: int) -> Name:
    """`(batch, size)` zeros, for the batch of a value."""
    batch = w.add("Shape", x, start=0, end=1)
    shape = w.add("Concat", batch, w.integers(size), axis=0)
    return w.add("Expand", w.number(0.0), shape)


def _write_scan(
    w: Writer, loop: Loop, x: Name, states: dict[str, Name], mask: Mask | None
) -> Result:
    graph = loop.graph(mask is not None)
    sizes = loop.states(mask is not None)
    entering = {graph.leaves["x"]: x}
    if mask is not None:
        number = w.add("Cast", mask.counts, to=1)
        entering[graph.leaves[MASK]] = w.add("Unsqueeze", number, w.integers(-1))
    weights = {
        node: np.asarray(loop.weights[name])
        for name, node in graph.leaves.items()
        if name in loop.weights
    }
    moving, still = hoisted(graph, [f"{s}_prev" for s in sizes])
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
    wanted = {**{s: graph.results[s] for s in sizes}, "output": graph.results["output"]}
    names = write_nodes(
        body, list(wanted.values()), {**known, **now, **leaves}, weights
    )
    following = graph.depending({"x", MASK, *(f"{s}_prev" for s in sizes)})
    widths = {**sizes, "output": loop.sized.output_size}
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
