"""Recurrent layers as ONNX nodes: stacked cells, both directions, states in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from refrain.export.layers import Value
from refrain.export.loop import Result
from refrain.export.loops import write_loops
from refrain.export.masks import Mask
from refrain.export.writer import Name, Writer
from refrain.network.records import Direction


@dataclass
class States:
    """States that enter and leave a model whose calls continue each other.

    Attributes:
        entering: size of each state by the name of its input.
        leaving: the new states by the name of their outputs.
    """

    entering: dict[str, int] = field(default_factory=dict)
    leaving: dict[str, Name] = field(default_factory=dict)

    def enter(self, layer: str, sizes: Mapping[str, int]) -> dict[str, Name]:
        """Names of a layer's states at the start."""
        names = {s: f"{layer}.{s}" for s in sizes}
        self.entering |= {names[s]: size for s, size in sizes.items()}
        return names

    def leave(self, layer: str, states: Mapping[str, Name]) -> None:
        """Remember a layer's states at the end."""
        self.leaving |= {f"new_{layer}.{s}": name for s, name in states.items()}


def write_direction(
    w: Writer,
    layer: Direction,
    value: Value,
    first: Sequence[Name] = (),
    kept: States | None = None,
) -> list[Value]:
    """Write a layer that reads in one direction.

    Args:
        w: where to.
        layer: the layer.
        value: its input, `(batch, timesteps, features)`.
        first: its first states; zero where there are none.
        kept: states that go from call to call, or None.
    """
    x, mask, results = value.name, value.mask, []
    given = iter(first)
    for number, loop in enumerate(layer.loops):
        names = loop.sized.cell.states
        known_by = f"{layer.name}.{number}" if len(layer.loops) > 1 else layer.name
        states = dict(zip(names, given, strict=False)) if first else {}
        if kept is not None:
            states = kept.enter(known_by, loop.states(mask is not None))
        (found,) = write_loops(w, [loop], x, [states], mask)
        if kept is not None:
            kept.leave(known_by, {s: found.states[s] for s in states})
        results.append(found)
        x = found.outputs
    return _leaving(w, layer, results, mask)


def _leaving(
    w: Writer, layer: Direction, results: Sequence[Result], mask: Mask | None
) -> list[Value]:
    """What leaves a layer in Keras's order: outputs, then states."""
    *_, final = results
    output = Value(final.last_output)
    if layer.return_sequences:
        outputs = final.outputs
        if layer.against_time:  # Keras leaves them in the order of the loop
            outputs = turned(w, outputs)
        output = Value(outputs, mask)
    if not layer.return_state:
        return [output]
    pairs = zip(layer.loops, results, strict=True)
    states = [r.states[s] for loop, r in pairs for s in loop.sized.cell.states]
    return [output, *map(Value, states)]


def turned(w: Writer, sequence: Name) -> Name:
    """A sequence from its last step to its first."""
    end = np.iinfo(np.int64).min
    bounds = (w.integers(n) for n in (-1, end, 1, -1))
    return w.add("Slice", sequence, *bounds)


def write_both(
    w: Writer,
    layers: tuple[Direction, Direction],
    merge_mode: str | None,
    value: Value,
    first: Sequence[Name] = (),
) -> list[Value]:
    """Write a bidirectional layer.

    Args:
        w: where to.
        layers: of one cell each; the second reads against time.
        merge_mode: `concat`, `sum`, `mul`, `ave`, or None for two outputs.
        value: its input, `(batch, timesteps, features)`.
        first: first states of one direction, then of the other.
    """
    loops = [layer.loops[0] for layer in layers]
    given = iter(first)
    states = [
        dict(zip(loop.sized.cell.states, given, strict=False)) if first else {}
        for loop in loops
    ]
    found = write_loops(w, loops, value.name, states, value.mask)
    sequences = layers[0].return_sequences
    outputs = [r.outputs if sequences else r.last_output for r in found]
    mask = value.mask if sequences else None
    result = [Value(name, mask) for name in _merged(w, outputs, merge_mode)]
    if layers[0].return_state:
        result += [
            Value(r.states[s])
            for loop, r in zip(loops, found, strict=True)
            for s in loop.sized.cell.states
        ]
    return result


def _merged(w: Writer, outputs: Sequence[Name], mode: str | None) -> list[Name]:
    if mode is None:
        return list(outputs)
    if mode == "concat":
        return [w.add("Concat", *outputs, axis=-1)]
    merged = w.add("Mul" if mode == "mul" else "Add", *outputs)
    return [w.add("Mul", merged, w.number(0.5)) if mode == "ave" else merged]
