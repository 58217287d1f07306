"""RNN, GRU and LSTM nodes of an ONNX model as Keras models of our layers.

ONNX packs gates along the first axis of a matrix for each direction, i o f c for LSTM
and z r h for GRU, and has two biases, one behind the other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from refrain.convert.recurrence import Recurrence, layer_of, reordered
from refrain.errors import ConversionError

_KIND = {"RNN": "simple_rnn", "LSTM": "lstm", "GRU": "gru"}
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
    """A model of our layers that computes what a recurrent node of an ONNX model does.

    Args:
        source: path of a file, or an `onnx.ModelProto`. Nothing outside of it is read.
        node: name of an RNN, GRU or LSTM node, or of one of its outputs; may be left
            out where there is one such node.

    Returns:
        A model with the inputs that are connected in the graph, in this order: the
        sequences `(batch, timesteps, features)`; for `sequence_lens` the mask
        `(batch, timesteps)`, true where a step is within the length; first states,
        each `(batch, units)`, h before c and forward before backward. It returns all
        outputs `(batch, timesteps, units)`, directions side by side and zero behind
        the end, and the last states in the same order as the first.

    Raises:
        ConversionError: the file is no ONNX model, it has no such node, or our layers
            do not compute the same: `clip`, weights that the graph computes,
            activations that equations do not know.
    """
    graph = _load(source).graph
    found = _chosen(graph, node)
    constants = _constants(graph)
    given = {
        name: value for name, value in zip(_INPUTS, found.input, strict=False) if value
    }
    attributes = _attributes(found)
    directions = _directions(found, given, constants, attributes)
    backward = attributes.get("direction") == "reverse"
    arguments: dict[str, Any] = {"go_backwards": True} if backward else {}
    layer = layer_of(
        directions,
        return_sequences=True,
        return_state=True,
        zero_output_for_mask=True,
        **arguments,
    )
    return _model(found, layer, directions, _connected(given, constants), backward)


def _model(
    node: Any,
    layer: Any,
    directions: Sequence[Recurrence],
    connected: set[str],
    backward: bool,
) -> keras.Model:
    sequences = keras.Input((None, directions[0].features), name="sequences")
    inputs, call = [sequences], {}
    if "sequence_lens" in connected:
        call["mask"] = keras.Input((None,), dtype="bool", name="mask")
        inputs.append(call["mask"])
    if connected & {"initial_h", "initial_c"}:
        names = [
            f"{'backward' if k or backward else 'forward'}_{state}"
            for k in range(len(directions))
            for state in _STATES[node.op_type]
        ]
        states = [keras.Input((directions[0].units,), name=name) for name in names]
        call["initial_state"] = states
        inputs += states
    outputs, *last = layer(sequences, **call)
    if backward:
        outputs = ops.flip(outputs, axis=1)  # Keras leaves them in the order of reading
    # Keras minds whether one input comes in a list.
    taken = inputs if len(inputs) > 1 else sequences
    return keras.Model(taken, [outputs, *last])


def _load(source: Any) -> Any:
    """The model, without what its tensors may refer to outside of it."""
    import onnx

    if isinstance(source, onnx.ModelProto):
        return source
    if not isinstance(source, (str, os.PathLike)):
        raise ConversionError(
            "expected the path of an ONNX file or an onnx.ModelProto, received "
            f"{type(source).__name__}"
        )
    try:
        return onnx.load_model_from_string(Path(source).read_bytes())
    except OSError as fault:
        raise ConversionError(f"cannot read {source}: {fault.strerror}") from None
    except Exception:  # of any type: whatever lies in the file
        raise ConversionError(f"{source} is not an ONNX model") from None


def _chosen(graph: Any, name: str | None) -> Any:
    """The recurrent node of this name, or the only one."""
    nodes = [
        n for n in graph.node if n.op_type in _KIND and n.domain in ("", "ai.onnx")
    ]
    if name is not None:
        fitting = [n for n in nodes if name and name in (n.name, *n.output)]
    else:
        fitting = nodes
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(f"{n.name or n.output[0]} ({n.op_type})" for n in nodes)
    raise ConversionError(
        f"expected the name of one recurrent node, received {name!r}; the graph has "
        f"{names or 'none'}"
    )


def _constants(graph: Any) -> dict[str, Any]:
    """Tensors that the file holds, by name."""
    found = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            values = [a.t for a in node.attribute if a.name == "value"]
            found |= dict.fromkeys(node.output, values[0]) if values else {}
    return found


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


def _connected(given: Mapping[str, str], constants: Mapping[str, Any]) -> set[str]:
    """Inputs that the model has to take; first states of zeros are left out."""
    return {
        name
        for name in ("sequence_lens", "initial_h", "initial_c")
        if name in given
        and not (
            name.startswith("initial")
            and given[name] in constants
            and not np.any(_array(constants[given[name]]))
        )
    }


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
            arrays[name] = _array(constants[given[name]])
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


def _array(tensor: Any) -> np.ndarray:
    """A tensor of the file.

    Raises:
        ConversionError: it lies in another file, is damaged or no real numbers.
    """
    import onnx

    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise ConversionError(
            f"{tensor.name}: expected weights inside the file; it refers to another one"
        )
    try:
        array = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OverflowError, MemoryError) as fault:
        raise ConversionError(f"{tensor.name}: damaged tensor: {fault}") from None
    if array.dtype not in (np.float16, np.float32):
        raise ConversionError(
            f"{tensor.name}: expected float32, received {array.dtype}"
        )
    return array.astype("float32")
