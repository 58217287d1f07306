"""RNN, GRU and LSTM nodes of an ONNX model as Keras models of our layers.

ONNX packs gates along the first axis of a matrix for each direction, i o f c for LSTM
and z r h for GRU, and has two biases, one behind the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from refrain.convert.graph import RECURRENT, array_of, chosen, constants_of, load
from refrain.convert.recurrence import Recurrence, layer_of, reordered
from refrain.errors import ConversionError

_KIND = dict(zip(RECURRENT, ("simple_rnn", "lstm", "gru"), strict=True))
# Where Keras's gates lie among those of ONNX.
_ORDER = {"RNN": [0], "LSTM": [0, 2, 3, 1], "GRU": [0, 1, 2]}
_COUPLED, _PEEPHOLES = [0, 3, 1], [0, 2, 1]  # of our cells for these: i g o; i f o
_USUAL = {
    "RNN": ["Tanh"],
    "LSTM": ["Sigmoid", "Tanh", "Tanh"],
    "GRU": ["Sigmoid", "Tanh"],
}
_INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
_STATES = {"RNN": ("h",), "LSTM": ("h", "c"), "GRU": ("h",)}

_ATTRIBUTES = {
    "direction": bytes,
    "hidden_size": int,
    "activations": list,
    "activation_alpha": list,
    "activation_beta": list,
    "linear_before_reset": int,
    "layout": int,  # of arrays at run time; ours are always batch first
    "clip": float,
    "input_forget": int,
}
_ACTIVATIONS = ("tanh", "sigmoid", "relu", "softsign", "softplus")
# Ours, the constants with which ONNX's is the same, and ONNX's defaults.
_WITH_CONSTANTS = {
    "hardsigmoid": ("hard_sigmoid", (1 / 6, 0.5), (0.2, 0.5)),
    "elu": ("elu", (1.0,), (1.0,)),
    "affine": ("linear", (1.0, 0.0), (1.0, 0.0)),
}


def from_onnx(source: Any, node: str | None = None) -> keras.Model:
    """A model of our layers that computes what recurrent nodes of an ONNX model do.

    Args:
        source: path of a file, or an `onnx.ModelProto`. Nothing outside of it is read.
        node: name of an RNN, GRU or LSTM node, or of one of its outputs. Without it,
            all of them: they have to form a chain, each reading the outputs of the one
            before, both directions side by side.

    Returns:
        A model with the inputs that are connected in the graph, in this order: the
        sequences `(batch, timesteps, features)`; for `sequence_lens` the mask
        `(batch, timesteps)`, true where a step is within the length; first states,
        each `(batch, units)`, h before c, forward before backward, node after node. It
        returns all outputs `(batch, timesteps, units)` of the last node, directions
        side by side and zero behind the end, and the last states in the same order as
        the first.

    Raises:
        ConversionError: the file is no ONNX model, it has no such node, its nodes are
            no chain, or our layers do not compute the same: `clip`, weights that the
            graph computes, activations that equations do not know.
    """
    graph = load(source).graph
    constants = constants_of(graph)
    return _model([_part(n, constants) for n in chosen(graph, constants, node)])


@dataclass(frozen=True)
class _Part:
    """One node as a layer of ours.

    Attributes:
        layer: with its weights.
        lengths: what the graph calls the node's lengths, where it has any.
        first: names and size of the first states that the graph gives it.
        backward: it reads from the last step to the first.
        features: size of what it reads.
    """

    layer: Any
    lengths: str | None
    first: list[tuple[str, int]]
    backward: bool
    features: int


def _part(node: Any, constants: Mapping[str, Any]) -> _Part:
    given = {
        name: value for name, value in zip(_INPUTS, node.input, strict=False) if value
    }
    attributes = _attributes(node)
    directions = _directions(node, given, constants, attributes)
    backward = attributes.get("direction") == "reverse"
    arguments: dict[str, Any] = {"go_backwards": True} if backward else {}
    layer = layer_of(
        directions,
        return_sequences=True,
        return_state=True,
        zero_output_for_mask=True,
        **arguments,
    )
    first = [
        (f"{'backward' if k or backward else 'forward'}_{state}", recurrence.units)
        for k, recurrence in enumerate(directions)
        for state in _STATES[node.op_type]
    ]
    started = _started(given, constants)
    return _Part(
        layer,
        given.get("sequence_lens"),
        first if started else [],
        backward,
        directions[0].features,
    )


def _model(parts: Sequence[_Part]) -> keras.Model:
    """Layers one after the other, with an input for all that the graph gives them."""
    lengths = {part.lengths for part in parts}
    if len(lengths) > 1:
        raise ConversionError(
            "expected the same lengths for all recurrent nodes of a chain, received "
            f"{', '.join(sorted(map(str, lengths)))}"
        )
    sequences = keras.Input((None, parts[0].features), name="sequences")
    inputs, given = [sequences], {}
    if lengths != {None}:
        given["mask"] = keras.Input((None,), dtype="bool", name="mask")
        inputs.append(given["mask"])
    outputs, ends = sequences, []
    for k, part in enumerate(parts):
        where = f"layer_{k}_" if len(parts) > 1 else ""
        first = [keras.Input((n,), name=f"{where}{name}") for name, n in part.first]
        outputs, *last = part.layer(outputs, initial_state=first or None, **given)
        if part.backward:
            outputs = ops.flip(outputs, axis=1)  # Keras leaves the order of reading
        inputs += first
        ends += last
    # Keras minds whether one input comes in a list.
    taken = inputs if len(inputs) > 1 else sequences
    return keras.Model(taken, [outputs, *ends])


def _started(given: Mapping[str, str], constants: Mapping[str, Any]) -> bool:
    """Whether first states are an input of the model; zeros are left out."""
    names = [given[n] for n in ("initial_h", "initial_c") if n in given]
    return any(n not in constants or np.any(array_of(constants[n])) for n in names)


def _attributes(node: Any) -> dict[str, Any]:
    import onnx

    found = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    for name, value in found.items():
        if not isinstance(value, _ATTRIBUTES.get(name, ())):
            raise ConversionError(
                f"{node.op_type}: expected attributes among {', '.join(_ATTRIBUTES)}, "
                f"received {name}={value!r}"
            )
    if found.get("clip"):
        raise ConversionError(
            f"{node.op_type}: our layers have no clip, received {found['clip']}"
        )
    direction = found.get("direction", b"forward").decode("utf-8", "replace")
    if direction not in ("forward", "reverse", "bidirectional"):
        raise ConversionError(f"{node.op_type}: unknown direction {direction!r}")
    return {**found, "direction": direction}


def _directions(
    node: Any,
    given: Mapping[str, str],
    constants: Mapping[str, Any],
    attributes: Mapping[str, Any],
) -> list[Recurrence]:
    kind, count = node.op_type, 1 + (attributes["direction"] == "bidirectional")
    arrays = {}
    for name in ("W", "R", "B", "P"):
        if name in given or name in "WR":
            if given.get(name) not in constants:
                raise ConversionError(
                    f"{kind}: expected {name} as a tensor of the file, received "
                    f"{given.get(name)!r}, which the graph computes or takes"
                )
            arrays[name] = array_of(constants[given[name]])
    if not np.any(arrays.get("P", 0.0)):
        arrays.pop("P", None)
    elif attributes.get("input_forget"):
        raise ConversionError(
            f"{kind}: our layers have no peepholes (input P) beside input_forget"
        )
    units = attributes.get("hidden_size", (0, *arrays["R"].shape)[-1])
    _check_shapes(kind, count, units, arrays)
    options = _options(kind, count, attributes)
    cell, order = _KIND[kind], _ORDER[kind]
    if kind == "LSTM" and attributes.get("input_forget"):
        cell, order = "coupled_lstm", _COUPLED
    elif "P" in arrays:
        cell = "peephole_lstm"
    return [
        Recurrence(cell, units, _packed(arrays, k, order, options[k]), options[k])
        for k in range(count)
    ]


def _check_shapes(
    kind: str, count: int, units: int, arrays: Mapping[str, np.ndarray]
) -> None:
    rows = len(_ORDER[kind]) * units
    features = (0, *arrays["W"].shape)[-1]
    shapes = {
        "W": (count, rows, features),
        "R": (count, rows, units),
        "B": (count, 2 * rows),
        "P": (count, 3 * units),
    }
    for name, array in arrays.items():
        if array.shape != shapes[name] or not array.size:
            raise ConversionError(
                f"{kind}: expected {name} of shape {shapes[name]}, received "
                f"{array.shape}"
            )


def _packed(
    arrays: Mapping[str, np.ndarray],
    k: int,
    order: Sequence[int],
    options: Mapping[str, Any],
) -> dict[str, np.ndarray]:
    """The weights of one direction, as Keras packs them."""
    weights = {
        "kernel": reordered(arrays["W"][k].T, order),
        "recurrent_kernel": reordered(arrays["R"][k].T, order),
    }
    if "B" in arrays:
        pair = [reordered(bias, order) for bias in np.split(arrays["B"][k], 2)]
        both = options.get("reset_after", False)
        weights["bias"] = np.stack(pair) if both else np.add(*pair)
    if "P" in arrays:
        weights["peephole"] = reordered(arrays["P"][k], _PEEPHOLES)
    return weights


def _options(
    kind: str, count: int, attributes: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Options of the cell, for each direction."""
    usual = _USUAL[kind]
    written = [n.decode("utf-8", "replace") for n in attributes.get("activations", ())]
    names = written or usual * count
    if len(names) != len(usual) * count:
        raise ConversionError(
            f"{kind}: expected {len(usual) * count} activations, received {names}"
        )
    constants = [
        iter(attributes.get(f"activation_{name}", ())) for name in ("alpha", "beta")
    ]
    known = [_activation(kind, name, constants) for name in names]
    found = []
    for k in range(0, len(known), len(usual)):
        *gates, last = known[k : k + len(usual)]
        if kind == "LSTM" and gates.pop() != last:
            raise ConversionError(
                f"LSTM: expected the same activation for the candidate and the "
                f"output, received {names[k + 1]} and {names[k + 2]}"
            )
        options: dict[str, Any] = {"activation": last}
        if gates:
            options["recurrent_activation"] = gates[0]
        if kind == "GRU":
            options["reset_after"] = bool(attributes.get("linear_before_reset"))
        found.append(options)
    return found


def _activation(kind: str, name: str, constants: Sequence[Iterator[float]]) -> str:
    """Our activation for one of ONNX, which takes its constants from the lists."""
    low = name.lower()
    if low in _ACTIVATIONS:
        return low
    if low in _WITH_CONSTANTS:
        ours, needed, usual = _WITH_CONSTANTS[low]
        given = [next(c, d) for c, d in zip(constants, usual, strict=False)]
        if np.allclose(given, needed, rtol=1e-6, atol=0):
            return ours
        name = f"{name} with constants {given}"
    raise ConversionError(f"{kind}: our layers have no activation {name}")
