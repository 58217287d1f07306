"""Layers without a state as ONNX nodes, one rule for each of Keras's classes.

A rule gets the layer's settings as Keras writes them, its weights in Keras's order,
and the values that enter it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from refrain.export.equations import write_formula
from refrain.export.masks import Mask
from refrain.export.writer import BOOL, FLOAT, INT64, Name, Writer
from refrain.network.formulas import FORMULAS
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


def _formula(w: Writer, layer: Layer, x: Name) -> Name:
    return write_formula(w, FORMULAS[layer.kind](layer), x)


def _softmax(w: Writer, layer: Layer, values: list[Value]) -> Value:
    if values[0].mask is not None:
        raise layer.refuse("it is masked")
    return Value(_formula(w, layer, values[0].name))


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
    counts = w.add("Cast", w.add("Squeeze", any_differs, w.integers(-1)), to=BOOL)
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


RULES: dict[str, Rule] = {
    **dict.fromkeys(FORMULAS, _keeping_mask(_formula)),
    "Softmax": _softmax,
    "RMSNormalization": _dropping_mask(_formula),
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
