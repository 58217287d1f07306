"""Layers without a state as formulas of one step, one for each of Keras's classes.

A formula takes the vector of a step and the layer's weights; whoever writes or composes
a network gives it nodes for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refrain.cells.define import find_activation
from refrain.graph import functions as f
from refrain.graph.node import Node
from refrain.network.records import Layer


@dataclass(frozen=True)
class Formula:
    """What a layer makes of a step.

    Attributes:
        apply: of `x` and the weights by name.
        weights: numbers, vectors of the result's size, matrices from the size of `x` to
            that.
    """

    apply: Callable[..., Node]
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)


def _dense(layer: Layer) -> Formula:
    activation = find_activation(layer.config.get("activation"))
    kernel, *bias = layer.weights
    weights = {"kernel": kernel, **({"bias": bias[0]} if bias else {})}
    return Formula(lambda x, kernel, bias=0.0: activation(x @ kernel + bias), weights)


def _activation(layer: Layer) -> Formula:
    return Formula(find_activation(layer.config["activation"]))


def _relu(layer: Layer) -> Formula:
    slope = layer.config["negative_slope"]
    limit, threshold = layer.config["max_value"], layer.config["threshold"]

    def apply(x: Node) -> Node:
        kept = f.where(x > threshold, x, slope * (x - threshold))
        return kept if limit is None else f.minimum(kept, limit)

    return Formula(apply)


def _softmax(layer: Layer) -> Formula:
    layer.expect("axis", -1)
    return Formula(f.softmax)


def _layer_norm(layer: Layer) -> Formula:
    layer.expect("rms_scaling", False)
    _last_axis(layer)
    epsilon = layer.config["epsilon"]

    def apply(x: Node, gain: Any = 1.0, shift: Any = 0.0) -> Node:
        return f.layer_norm(x, gain, shift, epsilon)

    return Formula(apply, _gain_and_shift(layer, layer.weights))


def _rms_norm(layer: Layer) -> Formula:
    _last_axis(layer)
    epsilon = layer.config["epsilon"]
    return Formula(
        lambda x, gain: x / f.sqrt(f.mean(x * x) + epsilon) * gain,
        {"gain": layer.weights[0]},
    )


def _batch_norm(layer: Layer) -> Formula:
    _last_axis(layer)
    *trained, mean, variance = (np.asarray(a, np.float64) for a in layer.weights)
    given = _gain_and_shift(layer, trained)
    scale = given.get("gain", 1.0) / np.sqrt(variance + layer.config["epsilon"])
    return _scaled(scale, given.get("shift", 0.0) - mean * scale)


def _normalization(layer: Layer) -> Formula:
    layer.expect("invert", False)
    _last_axis(layer)
    given: list[Any] = [layer.config.get(n) for n in ("mean", "variance")]
    if None in given:  # then they were learnt from data
        given = list(layer.weights[:2])
    if len(given) < 2:
        raise layer.refuse("its mean and variance are not known")
    mean, variance = (np.ravel(a).astype(np.float64) for a in given)
    scale = 1.0 / np.maximum(np.sqrt(variance), 1e-7)
    return _scaled(scale, -mean * scale)


def _rescaling(layer: Layer) -> Formula:
    return _scaled(*(np.asarray(layer.config[n]) for n in ("scale", "offset")))


def _scaled(scale: np.ndarray, offset: np.ndarray) -> Formula:
    weights = {
        name: array.reshape(()) if array.size == 1 else array
        for name, array in (("scale", scale), ("offset", offset))
    }
    return Formula(lambda x, scale, offset: x * scale + offset, weights)


def _last_axis(layer: Layer) -> None:
    axis = layer.config.get("axis", -1)
    axes = list(axis) if isinstance(axis, (list, tuple)) else [axis]
    if axes not in ([-1], [2]):  # counted from either end of (batch, time, features)
        raise layer.refuse(f"axis={axis!r}, and not the last one")


def _gain_and_shift(
    layer: Layer, weights: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    settings = {"gain": "scale", "shift": "center"}
    names = [name for name, s in settings.items() if layer.config.get(s, True)]
    return dict(zip(names, weights, strict=False))


FORMULAS: dict[str, Callable[[Layer], Formula]] = {
    # What these do in training, a network in use does not.
    **dict.fromkeys(
        (
            *("Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout"),
            *("AlphaDropout", "ActivityRegularization", "Identity"),
        ),
        lambda layer: Formula(f.linear),
    ),
    "Dense": _dense,
    "Activation": _activation,
    "ReLU": _relu,
    "LeakyReLU": lambda layer: Formula(
        lambda x: f.leaky_relu(x, layer.config["negative_slope"])
    ),
    "ELU": lambda layer: Formula(lambda x: f.elu(x, layer.config["alpha"])),
    "Softmax": _softmax,
    "LayerNormalization": _layer_norm,
    "RMSNormalization": _rms_norm,
    "BatchNormalization": _batch_norm,
    "Normalization": _normalization,
    "Rescaling": _rescaling,
}
