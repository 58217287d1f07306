"""A live Keras model as a network to export.

The model is read through its own attributes, so that nothing here imports Keras. Only
layers of Keras and of refrain are read: what a class of one's own computes, its
settings do not tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refrain.cells import SizedCell
from refrain.errors import ExportError
from refrain.network.records import (
    Both,
    Call,
    Direction,
    EachStep,
    Entry,
    Key,
    Layer,
    Loop,
    Network,
    refusal,
)
from refrain.network.settings import check_settings, is_own, keras_cell


def network_of(model: Any) -> Network:
    """The network that a built Keras model is.

    Raises:
        ExportError: it is no such model, or has a layer that cannot be read.
    """
    graph = getattr(model, "_functional", model)
    if not hasattr(graph, "operations"):
        raise ExportError(
            f"expected a Keras model made of layers (Sequential or functional) whose "
            f"input is known, received {type(model).__name__}"
        )
    entries, calls = [], []
    for layer in graph.operations:
        kind = type(layer).__name__
        if kind == "InputLayer":
            shape = tuple(layer.output.shape[1:])
            entries.append(Entry(layer.name, shape, _vocabulary(layer)))
        elif hasattr(layer, "get_weights"):
            calls.append(_call(layer, graph))
    outputs = tuple(map(_key, _tensors(model.outputs)))
    known = {e.name for e in entries} | {c.layer.name for c in calls}
    for name, _ in (*outputs, *(k for c in calls for k in (*c.inputs, *c.first))):
        # Operations outside of layers are those of masks, which are written anew.
        if name not in known:
            raise ExportError(
                f"{model.name}: the operation {name} stands outside of any layer; use "
                "a layer for it, e.g. layers.Add"
            )
    return Network(model.name, tuple(entries), tuple(calls), outputs)


def _call(layer: Any, graph: Any) -> Call:
    # A layer may be part of other models too; Keras names this one's uses so.
    nodes = [
        node
        for k, node in enumerate(layer._inbound_nodes)
        if f"{id(layer)}_ib-{k}" in graph._nodes
    ]
    if len(nodes) != 1:
        raise _refusal(layer, f"it is used {len(nodes)} times")
    arguments = nodes[0].arguments
    for mask in _tensors(arguments.kwargs.get("mask")):
        if hasattr(mask._keras_history.operation, "get_weights"):
            raise _refusal(layer, "its mask is the output of another layer")
    first = arguments.kwargs.get("initial_state", arguments.args[1:])
    inputs = list(_tensors(arguments.args[:1]))
    read = _read(layer, inputs[0].shape[-1])
    return Call(read, tuple(map(_key, inputs)), tuple(map(_key, _tensors(first))))


def _read(layer: Any, features: int) -> Layer | Direction | Both | EachStep:
    """A layer's settings and weights; `features` is the size of its input."""
    kind = type(layer).__name__
    if _is_own(layer):
        raise _refusal(layer, "its class is not one of Keras or refrain")
    if kind == "Bidirectional":
        both = (layer.forward_layer, layer.backward_layer)
        ahead, back = (_direction(inner, features) for inner in both)
        if ahead.against_time or not back.against_time:
            raise _refusal(layer, "its first layer reads against time")
        if len(ahead.loops) > 1:
            raise _refusal(layer, "its cells are stacked")
        return Both(layer.name, ahead, back, layer.merge_mode)
    if kind == "TimeDistributed":
        inner = _read(layer.layer, features)
        if not isinstance(inner, Layer):
            raise _refusal(layer, f"it holds a {type(layer.layer).__name__}")
        return EachStep(layer.name, inner)
    if hasattr(layer, "cell"):
        return _direction(layer, features)
    config = layer.get_config()
    check_settings(layer.name, kind, config)
    return Layer(layer.name, kind, config, _arrays(layer.weights))


def _direction(layer: Any, features: int) -> Direction:
    check_settings(layer.name, type(layer).__name__, layer.get_config())
    loops = []
    for cell in getattr(layer.cell, "cells", [layer.cell]):
        sized = _equations(layer, cell)
        weights: dict[str, np.ndarray] = {}
        for variable in sized.variables(features):
            (array,) = _arrays([getattr(cell, variable.name)])
            weights |= variable.unpack(array)
        loops.append(
            Loop(
                sized, features, weights, layer.go_backwards, layer.zero_output_for_mask
            )
        )
        features = sized.output_size
    return Direction(layer.name, loops, layer.return_sequences, layer.return_state)


def _equations(layer: Any, cell: Any) -> SizedCell:
    """The equations of a cell: its own, or those of Keras's class."""
    if isinstance(sized := getattr(cell, "sized", None), SizedCell):
        return sized
    kind = type(cell).__name__
    if _is_own(cell):
        raise _refusal(layer, f"the equations of {kind} are not known")
    return keras_cell(layer.name, type(layer).__name__, kind, cell.get_config())


def _is_own(layer: Any) -> bool:
    """Its class is the user's own."""
    return is_own(type(layer).__module__)


def _vocabulary(entry: Any) -> int | None:
    """How many numbers an input may be, if it enters an embedding."""
    sizes = [
        node.operation.input_dim
        for node in entry._outbound_nodes
        if type(node.operation).__name__ == "Embedding"
    ]
    return min(sizes) if sizes else None


def _key(tensor: Any) -> Key:
    history = tensor._keras_history
    return history.operation.name, history.tensor_index


def _tensors(nested: Any) -> Iterator[Any]:
    """All symbolic tensors in nested lists."""
    if isinstance(nested, (list, tuple)):
        for inner in nested:
            yield from _tensors(inner)
    elif hasattr(nested, "_keras_history"):
        yield nested


def _arrays(variables: Any) -> list[np.ndarray]:
    return [np.asarray(v, np.float32) for v in variables]


def _refusal(layer: Any, reason: str) -> ExportError:
    return refusal(layer.name, type(layer).__name__, reason)
