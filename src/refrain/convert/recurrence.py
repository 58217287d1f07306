"""One direction of a recurrent layer as every library knows it, in Keras's packing.

What PyTorch and ONNX hold is read into `Recurrence`, and our layers are made of it;
on the way back a layer is read into it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from refrain import cells, layers
from refrain.errors import ConversionError
from refrain.layers.equations import Untraced, equations_of

_LAYERS = {"simple_rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}


@dataclass(frozen=True)
class Recurrence:
    """A cell and its weights.

    Attributes:
        kind: name of the cell in `refrain.cells`.
        units: size of the state; of `c` where `h` has another size.
        weights: arrays by the names of Keras's variables, packed as they are.
        options: the cell's activations, and the form of a GRU.
    """

    kind: str
    units: int
    weights: Mapping[str, np.ndarray]
    options: Mapping[str, Any]

    @property
    def features(self) -> int:
        """Size of the input."""
        return len(self.weights["kernel"])

    def layer(self, **arguments: Any) -> Any:
        """A recurrent layer of ours without its weights; `arguments` as Keras's."""
        settings = {**self.options, "use_bias": "bias" in self.weights}
        if self.kind in _LAYERS:
            return _LAYERS[self.kind](self.units, **settings, **arguments)
        if "projection_kernel" in self.weights:
            settings["projection"] = self.weights["projection_kernel"].shape[1]
        cell = getattr(cells, self.kind)(self.units, **settings)
        return layers.RNN(cell, **arguments)


def layer_of(directions: Sequence[Recurrence], **arguments: Any) -> Any:
    """A layer with its weights, or both directions of one."""
    if len(directions) == 1:
        (only,) = directions
        made = only.layer(**arguments)
        parts = [(made, only)]
    else:
        forward, backward = directions
        made = layers.Bidirectional(
            forward.layer(**arguments),
            backward_layer=backward.layer(**arguments, go_backwards=True),
        )
        parts = [(made.forward_layer, forward), (made.backward_layer, backward)]
    made.build((None, None, directions[0].features))
    for layer, recurrence in parts:
        for name, array in recurrence.weights.items():
            getattr(layer.cell, name).assign(array)
    return made


def recurrences_of(layer: Any) -> list[Recurrence]:
    """The directions of a built recurrent layer.

    Raises:
        ConversionError: it is another kind of layer, or of cell.
    """
    if isinstance(layer, keras.layers.Layer) and hasattr(layer, "forward_layer"):
        if layer.merge_mode != "concat":
            raise ConversionError(
                f"{layer.name}: expected merge_mode='concat', received "
                f"{layer.merge_mode!r}"
            )
        parts = [layer.forward_layer, layer.backward_layer]
    else:
        parts = [layer]
    return [_recurrence_of(part, k == 1) for k, part in enumerate(parts)]


def _recurrence_of(layer: Any, against_time: bool) -> Recurrence:
    name = getattr(layer, "name", layer)
    try:
        sized = equations_of(layer.cell)
    except (AttributeError, Untraced) as reason:
        raise ConversionError(
            f"{name}: expected a recurrent layer of one known cell: {reason}"
        ) from None
    kind = sized.cell.name
    known = (*_LAYERS, "lstm_projection")
    if kind not in known or layer.go_backwards != against_time or not layer.built:
        raise ConversionError(
            f"{name}: expected a built layer of {', '.join(known)} that reads "
            f"{'back' if against_time else 'for'}wards, received {kind}"
        )
    weights = {
        v.name: np.array(ops.convert_to_numpy(getattr(layer.cell, v.name).value))
        for v in sized.variables(layer.cell.kernel.shape[0])
    }
    options = {
        name: getattr(value, "__name__", value)
        for name, value in sized.cell.resolve(sized.options).items()
        if name != "use_bias"  # the weights tell
    }
    return Recurrence(kind, sized.sizes["units"], weights, options)


def reordered(array: np.ndarray, gates: Sequence[int]) -> np.ndarray:
    """Parts that lie side by side along the last axis, in another order.

    Parts may be left out, but not the last one.
    """
    parts = np.split(array, max(gates) + 1, axis=-1)
    return np.concatenate([parts[k] for k in gates], axis=-1)
