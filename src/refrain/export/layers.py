"""Layers without a state as ONNX nodes, one rule for each of Keras's classes.

A rule gets the layer's settings as Keras writes them, its weights in Keras's order,
and the values that enter it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refrain.cells.define import find_activation
from refrain.export.equations import write_formula
from refrain.export.masks import Mask
from refrain.export.writer import FLOAT, INT64, Name, Writer
from refrain.graph import functions as f
from refrain.network.records import Layer


@dataclass(frozen=True)
class Value:
    """What goes from layer to layer: a name, and which of its steps count."""

    name: Name
    mask: Mask | None = None


Rule = Callable[[Writer, Layer, list[Value]], Value]


def _keeping_mask(rule: Callable[[Writer, Layer, Name], Name]) -> Rule:
    return lambda w, layer, values: Value(
        rule(w, layer, values[0].name), values[0].mask
    )


def _dropping_mask(rule: Callable[[Writer, Layer, Name], Name]) -> Rule:
    return lambda w, layer, values: Value(rule(w, layer, values[0].name))


def _dense(w: Writer, layer: Layer, x: Name) -> Name:
    activation = find_activation(layer.config.get("activation"))
    kernel, *bias = layer.weights
    return write_formula(
        w,
        lambda x, kernel, bias=0.0: activation(x @ kernel + bias),
        x,
        rows=True,
        kernel=kernel,
        bias=bias[0] if bias else None,
    )


def _activation(w: Writer, layer: Layer, x: Name) -> Name:
    return write_formula(w, find_activation(layer.config["activation"]), x)


def _relu(w: Writer, layer: Layer, x: Name) -> Name:
    slope = layer.config["negative_slope"]
    limit, threshold = layer.config["max_value"], layer.config["threshold"]

    def formula(x):
        kept = f.where(x > threshold, x, slope * (x - threshold))
        return kept if limit is None else f.minimum(kept, limit)

    return write_formula(w, formula, x)


def _leaky_relu(w: Writer, layer: Layer, x: Name) -> Name:
    slope = layer.config["negative_slope"]
    return write_formula(w, lambda x: f.where(x > 0.0, x, slope * x), x)


def _elu(w: Writer, layer: Layer, x: Name) -> Name:
    alpha = layer.config["alpha"]
    return write_formula(
        w, lambda x: f.where(x > 0.0, x, alpha * f.expm1(f.minimum(x, 0.0))), x
    )


def _softmax(w: Writer, layer: Layer, values: list[Value]) -> Value:
    layer.expect("axis", -1)
    if values[0].mask is not None:
        raise layer.refuse("it is masked")
    return Value(write_formula(w, f.softmax, values[0].name))


def _layer_norm(w: Writer, layer: Layer, x: Name) -> Name:
    layer.expect("rms_scaling", False)
    _last_axis(layer)
    epsilon = layer.config["epsilon"]
    gain, shift = _gain_and_shift(layer, layer.weights)

    size = len(layer.weights[0]) if layer.weights else 1
    return write_formula(
        w,
        lambda x, gain, shift: f.layer_norm(x, gain, shift, epsilon),
        x,
        gain=np.ones(size) if gain is None else gain,
        shift=np.zeros(size) if shift is None else shift,
    )


def _rms_norm(w: Writer, layer: Layer, x: Name) -> Name:
    _last_axis(layer)
    epsilon = layer.config["epsilon"]
    return write_formula(
        w,
        lambda x, gain: x / f.sqrt(f.mean(x * x) + epsilon) * gain,
        x,
        gain=layer.weights[0],
    )


def _batch_norm(w: Writer, layer: Layer, x: Name) -> Name:
    _last_axis(layer)
    *trained, mean, variance = (np.asarray(a, np.float64) for a in layer.weights)
    gain, shift = _gain_and_shift(layer, trained)
    scale = (1.0 if gain is None else gain) / np.sqrt(
        variance + layer.config["epsilon"]
    )
    offset = (0.0 if shift is None else shift) - mean * scale
    return _scaled(w, x, scale, offset)


def _normalization(w: Writer, layer: Layer, x: Name) -> Name:
    layer.expect("invert", False)
    _last_axis(layer)
    given: list[Any] = [layer.config.get(n) for n in ("mean", "variance")]
    if None in given:  # then they were learnt from data
        given = list(layer.weights[:2])
    if len(given) < 2:
        raise layer.refuse("its mean and variance are not known")
    mean, variance = (np.ravel(a).astype(np.float64) for a in given)
    scale = 1.0 / np.maximum(np.sqrt(variance), 1e-7)
    return _scaled(w, x, scale, -mean * scale)


def _rescaling(w: Writer, layer: Layer, x: Name) -> Name:
    scale, offset = (np.asarray(layer.config[n]) for n in ("scale", "offset"))
    return _scaled(w, x, scale, offset)


def _scaled(w: Writer, x: Name, scale: np.ndarray, offset: np.ndarray) -> Name:
    product = w.add("Mul", x, w.constant(scale.astype(np.float32)))
    return w.add("Add", product, w.constant(offset.astype(np.float32)))


def _last_axis(layer: Layer) -> None:
    axis = layer.config.get("axis", -1)
    axes = list(axis) if isinstance(axis, (list, tuple)) else [axis]
    if axes not in ([-1], [2]):  # counted from either end of (batch, time, features)
        raise layer.refuse(f"axis={axis!r}, and not the last one")


def _gain_and_shift(
    layer: Layer, weights: Sequence[np.ndarray]
) -> tuple[np.ndarray | None, np.ndarray | None]:
    found = iter(weights)
    gain = next(found) if layer.config.get("scale", True) else None
    shift = next(found) if layer.config.get("center", True) else None
    return gain, shift


def _embedding(w: Writer, layer: Layer, values: list[Value]) -> Value:
    (ids,) = values
    mask = ids.mask
    if layer.config.get("mask_zero"):
        zero = w.add("CastLike", w.constant(np.int64(0), "index"), ids.name)
        counts = Mask(w.add("Not", w.add("Equal", ids.name, zero)))
        mask = _combined(w, "And", [m for m in (mask, counts) if m is not None])
    number = w.add("Cast", ids.name, to=INT64)
    table = w.constant(np.asarray(layer.weights[0], np.float32), "embeddings")
    return Value(w.add("Gather", table, number), mask)


def _masking(w: Writer, layer: Layer, values: list[Value]) -> Value:
    (x,) = (v.name for v in values)
    value = w.number(layer.config.get("mask_value", 0.0))
    differs = w.add("Not", w.add("Equal", x, value))
    number = w.add("Cast", differs, to=FLOAT)
    any_differs = w.add("ReduceMax", number, w.integers(-1), keepdims=1)
    counts = w.add("Cast", w.add("Squeeze", any_differs, w.integers(-1)), to=9)
    masks = [m for m in (values[0].mask, Mask(counts)) if m is not None]
    return Value(w.add("Mul", x, any_differs), _combined(w, "And", masks))


def _flatten(w: Writer, layer: Layer, x: Name) -> Name:
    return w.add("Flatten", x, axis=1)


def _reshape(w: Writer, layer: Layer, x: Name) -> Name:
    target = [-1 if n is None else n for n in layer.config["target_shape"]]
    return w.add("Reshape", x, w.integers(0, *target))


def _repeat(w: Writer, layer: Layer, x: Name) -> Name:
    wide = w.add("Unsqueeze", x, w.integers(1))
    return w.add("Tile", wide, w.integers(1, layer.config["n"], 1))


def _permute(w: Writer, layer: Layer, x: Name) -> Name:
    return w.add("Transpose", x, perm=[0, *layer.config["dims"]])


def _pool_all(reduce: str) -> Rule:
    def rule(w: Writer, layer: Layer, values: list[Value]) -> Value:
        layer.expect("data_format", "channels_last")
        (value,) = values
        keep = int(bool(layer.config.get("keepdims")))
        if value.mask is None or reduce == "ReduceMax":
            return Value(w.add(reduce, value.name, w.integers(1), keepdims=keep))
        number = w.add("Cast", value.mask.counts, to=FLOAT)
        weight = w.add("Unsqueeze", number, w.integers(-1))
        kept = w.add("Mul", value.name, weight)
        total = w.add("ReduceSum", kept, w.integers(1), keepdims=keep)
        count = w.add("ReduceSum", weight, w.integers(1), keepdims=keep)
        return Value(w.add("Div", total, count))

    return rule


def _merge(op: str) -> Rule:
    def rule(w: Writer, layer: Layer, values: list[Value]) -> Value:
        result = values[0].name
        for value in values[1:]:
            result = w.add(op, result, value.name)
        return Value(result, _mask_of_any(w, values))

    return rule


def _average(w: Writer, layer: Layer, values: list[Value]) -> Value:
    total = _merge("Add")(w, layer, values)
    share = w.add("Mul", total.name, w.number(1.0 / len(values)))
    return Value(share, total.mask)


def _concatenate(w: Writer, layer: Layer, values: list[Value]) -> Value:
    names = [v.name for v in values]
    mask = _mask_of_any(w, values)
    axis = layer.config.get("axis", -1)
    if axis == 1 and mask is not None:
        raise layer.refuse("it joins masked sequences along time")
    return Value(w.add("Concat", *names, axis=axis), mask)


def _mask_of_any(w: Writer, values: list[Value]) -> Mask | None:
    """Steps that count in some value; all do if there is one without a mask."""
    masks = [v.mask for v in values if v.mask is not None]
    return _combined(w, "Or", masks) if len(masks) == len(values) else None


def _combined(w: Writer, op: str, masks: Sequence[Mask]) -> Mask | None:
    """One mask of several; none of none."""
    masks = list(dict.fromkeys(masks))
    if len(masks) < 2:
        return masks[0] if masks else None
    counts = masks[0].counts
    for mask in masks[1:]:
        counts = w.add(op, counts, mask.counts)
    return Mask(counts, all(m.leading for m in masks))


def _same(w: Writer, layer: Layer, values: list[Value]) -> Value:
    return values[0]


RULES: dict[str, Rule] = {
    **dict.fromkeys(
        (
            *("Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout"),
            *("AlphaDropout", "ActivityRegularization", "Identity"),
        ),
        _same,
    ),
    "Dense": _keeping_mask(_dense),
    "Activation": _keeping_mask(_activation),
    "ReLU": _keeping_mask(_relu),
    "LeakyReLU": _keeping_mask(_leaky_relu),
    "ELU": _keeping_mask(_elu),
    "Softmax": _softmax,
    "LayerNormalization": _keeping_mask(_layer_norm),
    "RMSNormalization": _dropping_mask(_rms_norm),
    "BatchNormalization": _keeping_mask(_batch_norm),
    "Normalization": _keeping_mask(_normalization),
    "Rescaling": _keeping_mask(_rescaling),
    "Embedding": _embedding,
    "Masking": _masking,
    "Flatten": _dropping_mask(_flatten),
    "Reshape": _dropping_mask(_reshape),
    "RepeatVector": _dropping_mask(_repeat),
    "Permute": _dropping_mask(_permute),
    "GlobalAveragePooling1D": _pool_all("ReduceMean"),
    "GlobalMaxPooling1D": _pool_all("ReduceMax"),
    "Add": _merge("Add"),
    "Subtract": _merge("Sub"),
    "Multiply": _merge("Mul"),
    "Maximum": _merge("Max"),
    "Minimum": _merge("Min"),
    "Average": _average,
    "Concatenate": _concatenate,
}
