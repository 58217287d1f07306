"""The graph of an ONNX model: its constants, and its recurrent nodes as a chain.

Nothing outside of the file is read, and nothing of it is run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refrain.errors import ConversionError

RECURRENT = ("RNN", "LSTM", "GRU")
_STEPS, _BATCH, _UNITS = 2, 3, 5  # of the numbers that are sent between nodes


def load(source: Any) -> Any:
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


def chosen(graph: Any, constants: Mapping[str, Any], name: str | None) -> list[Any]:
    """The recurrent node of this name; all as a chain where no name is given."""
    nodes = [n for n in graph.node if _recurrent(n)]
    if name is None and nodes:
        return _chain(graph, constants, nodes)
    fitting = [n for n in nodes if name and name in (n.name, *n.output)]
    if len(fitting) == 1:
        return fitting
    raise ConversionError(
        f"expected the name of one recurrent node, received {name!r}; the graph has "
        f"{_names(nodes)}"
    )


def _recurrent(node: Any) -> bool:
    return node.op_type in RECURRENT and node.domain in ("", "ai.onnx")


def _names(nodes: list[Any]) -> str:
    return ", ".join(f"{n.name or n.output[0]} ({n.op_type})" for n in nodes) or "none"


def _chain(graph: Any, constants: Mapping[str, Any], nodes: list[Any]) -> list[Any]:
    """Nodes in the order in which each reads what the one before puts out.

    Raises:
        ConversionError: they are no chain.
    """
    makers = {name: n for n in graph.node for name in n.output if name}
    before = {}
    for node in nodes:
        between, name = [], node.input[0]
        while name in makers and not _recurrent(makers[name]):
            between.append(makers[name])
            name = makers[name].input[0] if makers[name].input else ""
            if len(between) > len(graph.node):
                raise ConversionError("expected a graph without circles")
        source = makers.get(name)
        if source is not None and name == source.output[0]:
            _check_between(source, between[::-1], node, constants)
            before[node.output[0]] = source
    first = [n for n in nodes if n.output[0] not in before]
    chain = first[:1]
    after = {source.output[0]: n for n in nodes if (source := before.get(n.output[0]))}
    while chain and chain[-1].output[0] in after and len(chain) < len(nodes):
        chain.append(after[chain[-1].output[0]])
    if len(chain) != len(nodes):
        raise ConversionError(
            f"expected a chain of recurrent nodes, each reading the one before, or the "
            f"name of one recurrent node; the graph has {_names(nodes)}"
        )
    return chain


def _check_between(
    source: Any, between: list[Any], node: Any, constants: Mapping[str, Any]
) -> None:
    """Check that a node reads all steps of another, directions side by side.

    Numbers that tell their places go the same way.
    """
    count = 2 if _attribute(source, "direction", b"") == b"bidirectional" else 1
    y = np.arange(float(_STEPS * count * _BATCH * _UNITS))
    y = y.reshape(_STEPS, count, _BATCH, _UNITS)
    side_by_side = y.swapaxes(1, 2).reshape(_STEPS, _BATCH, count * _UNITS)
    if _attribute(source, "layout", 0):
        y = y.transpose(2, 0, 1, 3)
    try:
        for step in between:
            y = _moved(step, y, constants)
    except (ValueError, TypeError, IndexError):
        y = np.zeros(())
    if _attribute(node, "layout", 0):
        side_by_side = side_by_side.swapaxes(0, 1)
    if not np.array_equal(y, side_by_side):
        raise ConversionError(
            f"expected {_names([node])} to read the outputs of {_names([source])}, "
            "directions side by side, received another arrangement of them.\n"
            "  Hint: give the name of one node."
        )


def _moved(node: Any, y: np.ndarray, constants: Mapping[str, Any]) -> np.ndarray:
    """What a node makes of numbers if it only moves them.

    Raises:
        ConversionError: it does something else.
    """
    kind = node.op_type
    if kind in ("Identity", "Dropout"):  # dropout rests where a model is used
        return y
    if kind == "Transpose":
        return y.transpose(_attribute(node, "perm", None))
    given = [constants.get(name) for name in node.input[1:]]
    numbers = _attribute(node, "axes", None)
    if given and given[0] is not None:
        numbers = np.ravel(_numbers(given[0])[:8]).tolist()
    if kind == "Squeeze" and numbers is not None:
        return np.squeeze(y, tuple(numbers))
    if kind == "Reshape" and numbers is not None and len(numbers) == 3:
        # The sizes that are known have to fit what the next node reads; here it is
        # their order that counts.
        known = [n or y.shape[k] for k, n in enumerate(numbers)]
        return y.reshape([*known[:2], -1])
    raise ConversionError(
        f"expected recurrent nodes that read each other, received the node "
        f"{node.name or node.output[0]} ({kind}) between them.\n"
        "  Hint: give the name of one node."
    )


def _attribute(node: Any, name: str, default: Any) -> Any:
    import onnx

    found = [a for a in node.attribute if a.name == name]
    return onnx.helper.get_attribute_value(found[0]) if found else default


def constants_of(graph: Any) -> dict[str, Any]:
    """Tensors that the file holds, by name."""
    found = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            values = [a.t for a in node.attribute if a.name == "value"]
            found |= dict.fromkeys(node.output, values[0]) if values else {}
    return found


def array_of(tensor: Any) -> np.ndarray:
    """A tensor of weights or states in the file, as float32.

    Raises:
        ConversionError: it lies in another file, is damaged or no real numbers.
    """
    array = _numbers(tensor)
    if array.dtype not in (np.float16, np.float32):
        raise ConversionError(
            f"{tensor.name}: expected float32, received {array.dtype}"
        )
    return array.astype("float32")


def _numbers(tensor: Any) -> np.ndarray:
    import onnx

    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise ConversionError(
            f"{tensor.name}: expected weights inside the file; it refers to another one"
        )
    try:
        return onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OverflowError, MemoryError) as fault:
        raise ConversionError(f"{tensor.name}: damaged tensor: {fault}") from None
