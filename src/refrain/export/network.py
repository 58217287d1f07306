"""A whole network as an ONNX graph: layer after layer, masks along with the values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx

from refrain.errors import ExportError
from refrain.export.layers import RULES, Value
from refrain.export.masks import leading_mask
from refrain.export.recurrent import States, write_both, write_direction
from refrain.export.session import finish
from refrain.export.writer import FLOAT, INT32, Name, Size, Writer, value_info
from refrain.network.records import Both, Call, Direction, EachStep, Key, Network

LENGTHS = "lengths"


@dataclass(frozen=True)
class Exported:
    """A model, and the states that enter and leave it, by the names of its inputs."""

    model: onnx.ModelProto
    states: Mapping[str, int]


def write_network(network: Network, streaming: bool, lengths: bool) -> Exported:
    """The ONNX model of a network.

    Args:
        network: what is exported.
        streaming: states enter and leave, so that calls continue each other.
        lengths: an input tells how many steps of each sequence count.

    Raises:
        ExportError: a layer has no form in ONNX; the message names it and says why.
    """
    w = Writer()
    kept = States() if streaming else None
    values: dict[Key, Value] = {}
    inputs = []
    for entry in network.entries:
        kind = FLOAT if entry.vocabulary is None else INT32
        shape: list[Size] = ["time" if n is None else n for n in entry.shape]
        inputs.append(value_info(entry.name, ["batch", *shape], kind))
        sequence = None in entry.shape[:1]
        mask = leading_mask(w, LENGTHS, entry.name) if lengths and sequence else None
        values[entry.name, 0] = Value(entry.name, mask)
    if lengths:
        inputs.append(value_info(LENGTHS, ["batch"], INT32))
    for call in network.calls:
        given = [values[key] for key in call.inputs]
        first = [values[key].name for key in call.first]
        made = _write_call(w, call, given, first, kept)
        values |= {(call.layer.name, k): value for k, value in enumerate(made)}
    outputs = _leave(w, network.outputs, values)
    if kept is not None:
        inputs += [value_info(n, ["batch", s]) for n, s in kept.entering.items()]
        for name, value in kept.leaving.items():
            w.rename(value, name)
        outputs += list(kept.leaving)
    model = finish(w, network.name, inputs, outputs)
    return Exported(model, kept.entering if kept is not None else {})


def _leave(w: Writer, keys: Sequence[Key], values: Mapping[Key, Value]) -> list[Name]:
    """Outputs by the names of their layers."""
    names = []
    for layer, number in keys:
        several = sum(name == layer for name, _ in keys) > 1
        name = f"{layer}_{number}" if several else layer
        if (layer, 0) in values and values[layer, 0].name == layer:
            name = f"{layer}_output"  # an input that leaves as it is
        w.rename(values[layer, number].name, name)
        names.append(name)
    return names


def _write_call(
    w: Writer,
    call: Call,
    values: list[Value],
    first: list[Name],
    kept: States | None,
) -> list[Value]:
    layer = call.layer
    if isinstance(layer, Direction):
        if kept is not None:
            _refuse_stream(layer, first)
        return write_direction(w, layer, values[0], first, kept)
    if isinstance(layer, Both):
        if kept is not None:
            raise ExportError(
                f"the layer {layer.name} (Bidirectional) cannot be exported for "
                "streaming: it reads the sequence from its end"
            )
        both = (layer.forward, layer.backward)
        return write_both(w, both, layer.merge_mode, values[0], first)
    if isinstance(layer, EachStep):
        return [_write_each_step(w, layer, values[0])]
    if layer.kind not in RULES:
        raise layer.refuse("there is no rule for this class")
    if kept is not None and layer.mixes_steps:
        raise layer.refuse("it mixes steps, and streaming gives it some at a time")
    return [RULES[layer.kind](w, layer, values)]


def _refuse_stream(layer: Direction, first: list[Name]) -> None:
    reason = None
    if layer.against_time:
        reason = "it reads the sequence from its end"
    elif first:
        reason = "its first states come from another layer"
    if reason:
        raise ExportError(
            f"the layer {layer.name} cannot be exported for streaming: {reason}"
        )


def _write_each_step(w: Writer, layer: EachStep, value: Value) -> Value:
    """Steps beside samples, the layer, and steps apart again."""
    inner = layer.inner
    if inner.kind not in RULES:
        raise inner.refuse(f"there is no rule for this class, inside of {layer.name}")
    sizes = w.add("Shape", value.name, start=2)
    flat = w.add("Concat", w.integers(-1), sizes, axis=0)
    steps = Value(w.add("Reshape", value.name, flat))
    made = RULES[inner.kind](w, inner, [steps])
    outer = w.add("Shape", value.name, start=0, end=2)
    whole = w.add("Concat", outer, w.add("Shape", made.name, start=1), axis=0)
    return Value(w.add("Reshape", made.name, whole), value.mask)
