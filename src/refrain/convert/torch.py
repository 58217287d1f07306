"""Recurrent modules of PyTorch as layers of ours, and the way back.

PyTorch packs gates along the first axis, i f g o for LSTM and r z n for GRU, and has
two biases. Only their sum counts in RNN and LSTM. Keras's GRU with `reset_after` has
both too: the reset gate multiplies the candidate's recurrent bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from refrain.convert.recurrence import (
    Recurrence,
    layer_of,
    recurrences_of,
    reordered,
)
from refrain.errors import ConversionError

# Where Keras's gates lie among those of PyTorch; for GRU it is its own inverse.
_ORDER = {"RNN": [0], "LSTM": [0, 1, 2, 3], "GRU": [1, 0, 2]}
_KIND = {"RNN": "simple_rnn", "LSTM": "lstm", "GRU": "gru"}


def from_torch(module: Any) -> keras.Sequential:
    """A model of our layers with the weights of `torch.nn.RNN`, `LSTM` or `GRU`.

    Args:
        module: the module, with any number of layers, one or two directions, with or
            without bias and projection. It is not changed. Whatever its `batch_first`,
            the model takes `(batch, timesteps, features)`.

    Returns:
        A model that maps a sequence to what the module calls `output`: all steps of the
        last layer, forward and backward side by side. `module.dropout` becomes Dropout
        layers, which act between the layers.

    Raises:
        ConversionError: it is another module, e.g. a cell or a network around one.
    """
    import torch

    kinds = (torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU)
    if not isinstance(module, kinds):
        raise ConversionError(
            "expected torch.nn.RNN, LSTM or GRU, received "
            f"{type(module).__name__}.\n  Hint: give the recurrent modules of a "
            "network one by one, e.g. network.lstm."
        )
    model = keras.Sequential([keras.Input((None, module.input_size))])
    for k in range(module.num_layers):
        if k and module.dropout:
            model.add(keras.layers.Dropout(module.dropout))
        suffixes = [f"_l{k}", f"_l{k}_reverse"][: 1 + module.bidirectional]
        directions = [_read(module, suffix) for suffix in suffixes]
        model.add(layer_of(directions, return_sequences=True))
    return model


def _read(module: Any, suffix: str) -> Recurrence:
    """One direction of one layer of a module."""
    mode = module.mode.split("_")[0]
    order = _ORDER[mode]

    def packed(name: str) -> np.ndarray:
        found = getattr(module, name + suffix).detach().cpu().numpy()
        return reordered(found.T, order)

    weights = {"kernel": packed("weight_ih"), "recurrent_kernel": packed("weight_hh")}
    if module.bias:
        biases = packed("bias_ih"), packed("bias_hh")
        weights["bias"] = np.stack(biases) if mode == "GRU" else np.add(*biases)
    options: dict[str, Any] = {}
    kind = _KIND[mode]
    if mode == "RNN":
        options["activation"] = module.nonlinearity
    if getattr(module, "proj_size", 0):
        kind = "lstm_projection"
        weights["projection_kernel"] = (
            getattr(module, f"weight_hr{suffix}").detach().cpu().numpy().T
        )
    return Recurrence(kind, module.hidden_size, weights, options)


def to_torch(model: Any) -> Any:
    """`torch.nn.RNN`, `LSTM` or `GRU` with the weights of recurrent layers.

    Args:
        model: a built recurrent layer, ours or Keras's, or a Sequential of layers of
            one kind and size, each `return_sequences` but the last; the same Dropout
            may lie between each two.

    Returns:
        A module with `batch_first=True`. Biases of RNN and LSTM are its `bias_ih`;
        its `bias_hh` is zero.

    Raises:
        ConversionError: PyTorch has no module that computes the same.
    """
    import torch

    stack, dropout = _stack(model)
    directions = [recurrences_of(layer) for layer in stack]
    first = directions[0][0]
    mode = _mode(model.name, first)
    _check_alike(model.name, directions)
    settings: dict[str, Any] = {"nonlinearity": first.options["activation"]}
    if mode != "RNN":
        settings = {}
    if first.kind == "lstm_projection":
        settings["proj_size"] = first.weights["projection_kernel"].shape[1]
    module = getattr(torch.nn, mode)(
        first.features,
        first.units,
        num_layers=len(stack),
        bias="bias" in first.weights,
        bidirectional=len(directions[0]) == 2,
        batch_first=True,
        dropout=dropout,
        **settings,
    )
    with torch.no_grad():
        for k, found in enumerate(directions):
            for recurrence, suffix in zip(found, ("", "_reverse"), strict=False):
                for name, array in _written(recurrence, mode).items():
                    array = np.ascontiguousarray(array, dtype="float32")
                    getattr(module, f"{name}_l{k}{suffix}").copy_(torch.tensor(array))
    return module


def _written(recurrence: Recurrence, mode: str) -> dict[str, np.ndarray]:
    """Arrays by PyTorch's names, without the number of the layer."""
    order, weights = _ORDER[mode], recurrence.weights
    made = {
        "weight_ih": reordered(weights["kernel"], order).T,
        "weight_hh": reordered(weights["recurrent_kernel"], order).T,
    }
    if "bias" in weights:
        bias = weights["bias"]
        pair = bias if mode == "GRU" else (bias, np.zeros_like(bias))
        made["bias_ih"], made["bias_hh"] = (reordered(b, order) for b in pair)
    if recurrence.kind == "lstm_projection":
        made["weight_hr"] = weights["projection_kernel"].T
    return made


def _stack(model: Any) -> tuple[list[Any], float]:
    """The recurrent layers of a model, and the dropout between them."""
    if not isinstance(model, keras.layers.Layer):
        raise ConversionError(
            f"expected a Keras layer or model, received {type(model).__name__}"
        )
    if not isinstance(model, keras.Sequential):
        return [model], 0.0
    drops = [x for x in model.layers if isinstance(x, keras.layers.Dropout)]
    stack = [x for x in model.layers if not isinstance(x, keras.layers.Dropout)]
    rates = {layer.rate for layer in drops}
    kinds = [isinstance(x, keras.layers.Dropout) for x in model.layers]
    between = [k % 2 == 1 for k in range(len(kinds))]
    if not stack or (drops and (len(rates) > 1 or kinds != between or not kinds[-1:])):
        raise ConversionError(
            f"{model.name}: expected recurrent layers, with the same Dropout between "
            f"each two or none, received {', '.join(x.name for x in model.layers)}"
        )
    if not all(x.return_sequences for x in stack[:-1] if hasattr(x, "cell")):
        raise ConversionError(f"{model.name}: expected return_sequences=True")
    return stack, rates.pop() if rates else 0.0


def _mode(name: str, recurrence: Recurrence) -> str:
    """The kind of module that computes a recurrence."""
    options = dict(recurrence.options)
    mode = {"simple_rnn": "RNN", "gru": "GRU"}.get(recurrence.kind, "LSTM")
    if mode == "RNN":
        expected = {"activation": options["activation"]}
        fits = options["activation"] in ("tanh", "relu")
    else:
        expected = {"activation": "tanh", "recurrent_activation": "sigmoid"}
        expected |= {"reset_after": True} if mode == "GRU" else {}
        fits = options == expected
    if not fits:
        raise ConversionError(
            f"{name}: torch.nn.{mode} computes "
            + ("tanh or relu" if mode == "RNN" else f"{expected}")
            + f" and nothing else, received {options}"
        )
    return mode


def _check_alike(name: str, directions: Sequence[Sequence[Recurrence]]) -> None:
    """A module has layers of one kind and size."""
    first = directions[0][0]
    found = {
        (len(both), one.kind, one.units, *one.weights, *one.options.items())
        for both in directions
        for one in both
    }
    if len(found) > 1:
        raise ConversionError(
            f"{name}: expected layers of one kind and size, as {first.kind} with "
            f"{first.units} units, received others beside it.\n  Hint: convert each "
            "layer by itself."
        )
