"""A network read from a `.keras` file, without Keras.

The file may come from anyone: it is read as JSON and plain arrays, nothing in it is
run, nothing outside of it is opened, and what is too large is refused.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from refrain.cells import SizedCell
from refrain.cells.record import from_record
from refrain.errors import CellError, ExportError
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
from refrain.network.stored import LARGEST, Weights

LARGEST_CONFIG = 1 << 26  # bytes
_TENSOR = "__keras_tensor__"

Saved = Mapping[str, Any]  # a layer as the file tells of it


def network_in(path: Path) -> Network:
    """The network of a `.keras` file.

    Raises:
        ExportError: the file is missing, damaged, or none; or a layer cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as file:
            config = json.loads(_member(file, "config.json", LARGEST_CONFIG))
            weights = _member(file, "model.weights.h5", LARGEST)
        with h5py.File(io.BytesIO(weights), "r") as arrays:
            return _Reader(Weights(arrays)).network(config)
    except OSError as fault:
        if fault.strerror:
            raise ExportError(f"cannot read {path}: {fault.strerror}") from None
        raise _damaged(path) from None
    except (CellError, ExportError) as error:
        raise ExportError(f"{path}: {error}") from None
    except Exception:  # of any type: whatever lies in the file
        raise _damaged(path) from None


def _member(file: zipfile.ZipFile, name: str, largest: int) -> bytes:
    size = file.getinfo(name).file_size
    if size > largest:
        raise ExportError(f"{name} has {size:,} bytes; expected {largest:,} at most")
    return file.read(name)


def _damaged(path: Path) -> ExportError:
    return ExportError(
        f"{path}: expected a .keras file, received something else or a damaged one"
    )


class _Reader:
    def __init__(self, weights: Weights):
        self.weights = weights

    def network(self, saved: Saved) -> Network:
        config, kind = saved["config"], saved["class_name"]
        if kind == "Sequential":
            return self._sequential(config)
        if kind != "Functional":
            raise ExportError(
                "expected a Keras model made of layers (Sequential or functional), "
                f"received {kind}"
            )
        entries, calls = [], []
        for layer in config["layers"]:
            if layer["class_name"] == "InputLayer":
                entries.append(_entry(layer))
            elif layer["config"]["name"] in self.weights:
                calls.append(self._call(layer))
        outputs = tuple(_histories(config["output_layers"]))
        known = {e.name for e in entries} | {c.layer.name for c in calls}
        read = [key for c in calls for key in (*c.inputs, *c.first)]
        for name, _ in (*outputs, *read):
            if name not in known:
                raise ExportError(f"the operation {name} stands outside of any layer")
        return _finished(config["name"], entries, calls, outputs)

    def _sequential(self, config: Saved) -> Network:
        layers = list(config["layers"])
        if layers and layers[0]["class_name"] == "InputLayer":
            entry = _entry(layers.pop(0))
        else:
            entry = Entry("input", tuple(config["build_input_shape"][1:]))
        calls, last = [], entry.name
        for layer in layers:
            calls.append(Call(self._layer(layer), ((last, 0),)))
            last = layer["config"]["name"]
        return _finished(config["name"], [entry], calls, ((last, 0),))

    def _call(self, layer: Saved) -> Call:
        name, nodes = layer["config"]["name"], layer["inbound_nodes"]
        if len(nodes) != 1:
            raise refusal(name, layer["class_name"], f"it is used {len(nodes)} times")
        args, kwargs = nodes[0]["args"], nodes[0]["kwargs"]
        if any(mask in self.weights for mask, _ in _tensors(kwargs.get("mask"))):
            reason = "its mask is the output of another layer"
            raise refusal(name, layer["class_name"], reason)
        first = kwargs.get("initial_state", args[1:])
        inputs = tuple(_tensors(args[:1]))
        return Call(self._layer(layer), inputs, tuple(_tensors(first)))

    def _layer(self, saved: Saved) -> Layer | Direction | Both | EachStep:
        kind, config = saved["class_name"], saved["config"]
        name = config["name"]
        if is_own(saved["module"]):
            raise refusal(name, kind, "its class is not one of Keras or refrain")
        if kind == "Bidirectional":
            return self._both(saved)
        if kind == "TimeDistributed":
            inner = config["layer"]
            if "cell" in inner["config"] or is_own(inner["module"]):
                raise refusal(name, kind, f"it holds a {inner['class_name']}")
            arrays = self.weights.of(name, "layer")
            made = (inner["config"]["name"], inner["class_name"], inner["config"])
            return EachStep(name, Layer(*made, arrays))
        if _is_recurrent(saved):
            return self._direction(saved, name)
        check_settings(name, kind, config)
        return Layer(name, kind, config, self.weights.of(name))

    def _both(self, saved: Saved) -> Both:
        config = saved["config"]
        ahead = config["layer"]
        turned = {
            **ahead["config"],
            "go_backwards": not ahead["config"]["go_backwards"],
        }
        back = config.get("backward_layer") or {**ahead, "config": turned}
        features = _features(saved)
        both = [
            self._direction(
                {**inner, "build_config": {"input_shape": [features]}},
                config["name"],
                f"{which}_layer",
            )
            for which, inner in (("forward", ahead), ("backward", back))
        ]
        return Both(config["name"], both[0], both[1], config["merge_mode"])

    def _direction(self, saved: Saved, layer: str, *parts: str) -> Direction:
        """A recurrent layer; its arrays are those of `layer`, in `parts` of it."""
        config = saved["config"]
        name, kind = config["name"], saved["class_name"]
        check_settings(name, kind, config)
        features = _features(saved)
        loops = []
        for cell, *inside in _cells(saved):
            sized = _equations(name, kind, cell)
            arrays = self.weights.of(layer, *parts, "cell", *inside)
            unpacked: dict[str, np.ndarray] = {}
            for variable, array in zip(sized.variables(features), arrays, strict=True):
                if array.shape != variable.shape:
                    raise refusal(
                        name,
                        kind,
                        f"{variable.name}: expected the shape {variable.shape}, "
                        f"received {array.shape}",
                    )
                unpacked |= variable.unpack(array)
            loops.append(
                Loop(
                    sized,
                    features,
                    unpacked,
                    config["go_backwards"],
                    config["zero_output_for_mask"],
                )
            )
            features = sized.output_size
        return Direction(
            name, loops, config["return_sequences"], config["return_state"]
        )


def _features(saved: Saved) -> int:
    """Size of what enters a layer; with first states, their shapes are told too."""
    built = saved["build_config"]
    shape = built.get("input_shape") or built["shapes_dict"]["sequences_shape"]
    return shape[-1]


def _is_recurrent(saved: Saved) -> bool:
    return "cell" in saved["config"] or saved["class_name"] in (
        "LSTM",
        "GRU",
        "SimpleRNN",
    )


def _cells(saved: Saved) -> Iterator[tuple[Any, ...]]:
    """The cells of a layer, and where in its cell each one's arrays are."""
    config = saved["config"]
    if "cell" not in config:
        kind = f"{saved['class_name']}Cell"
        yield ({"module": "keras", "class_name": kind, "config": config},)
        return
    cell = config["cell"]
    if cell["class_name"] != "StackedRNNCells":
        yield (cell,)
        return
    seen: dict[str, int] = {}
    for inner in cell["config"]["cells"]:
        name = _snake(inner["class_name"])
        count = seen[name] = seen.get(name, -1) + 1
        yield inner, "cells", f"{name}_{count}" if count else name


def _snake(name: str) -> str:
    """A class's name as Keras writes it in files: `LSTMCell` is `lstm_cell`."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _equations(name: str, kind: str, cell: Saved) -> SizedCell:
    if is_own(cell["module"]):
        reason = f"the equations of {cell['class_name']} are not known"
        raise refusal(name, kind, reason)
    if cell["class_name"] == "CellLayer":
        return from_record(cell["config"]["cell"])
    return keras_cell(name, kind, cell["class_name"], cell["config"])


def _entry(layer: Saved) -> Entry:
    return Entry(layer["config"]["name"], tuple(layer["config"]["batch_shape"][1:]))


def _finished(
    name: str, entries: Sequence[Entry], calls: Sequence[Call], outputs: tuple[Key, ...]
) -> Network:
    """A network whose inputs know how many words there are."""
    made = []
    for entry in entries:
        sizes = [
            c.layer.config["input_dim"]
            for c in calls
            if isinstance(c.layer, Layer)
            and c.layer.kind == "Embedding"
            and c.inputs == ((entry.name, 0),)
        ]
        made.append(Entry(entry.name, entry.shape, min(sizes, default=None)))
    return Network(name, tuple(made), tuple(calls), outputs)


def _tensors(nested: Any) -> Iterator[Key]:
    """All symbolic tensors in nested lists."""
    if isinstance(nested, list):
        for inner in nested:
            yield from _tensors(inner)
    elif isinstance(nested, dict) and nested.get("class_name") == _TENSOR:
        yield from _histories(nested["config"]["keras_history"])


def _histories(nested: Any) -> Iterator[Key]:
    """Layers and which of their outputs, from lists of (layer, use, output)."""
    if isinstance(nested[0], str):
        yield nested[0], nested[2]
        return
    for inner in nested:
        yield from _histories(inner)
