"""Layers that make one vector of several, as equations of a step."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from refrain.graph import functions as f
from refrain.graph.node import Node
from refrain.network.records import Layer

if TYPE_CHECKING:
    from refrain.network.compose import Step

WIDEST = 1 << 13  # numbers that may be joined
Merge = Callable[["Step", str, Layer, list[Node]], Node]


def _all_with(function: Callable[[Node, Node], Node]) -> Merge:
    return lambda step, name, layer, values: functools.reduce(function, values)


def _concatenate(step: Step, name: str, layer: Layer, values: list[Node]) -> Node:
    """Each value times its rows of an identity matrix.

    The language has vectors as wholes. Such a product moves numbers as they are, and
    costs little beside those of a cell.
    """
    layer.expect("axis", -1, 2)
    sizes = [step.size(value) for value in values]
    if sum(sizes) > WIDEST:
        raise layer.refuse(f"it makes {sum(sizes):,} numbers; expected {WIDEST:,}")
    rows = np.split(np.eye(sum(sizes)), np.cumsum(sizes)[:-1])
    moved = [
        value @ step.weight(f"{name}_place{k}", matrix)
        for k, (value, matrix) in enumerate(zip(values, rows, strict=True))
    ]
    return functools.reduce(operator.add, moved)


MERGES: dict[str, Merge] = {
    "Add": _all_with(operator.add),
    "Subtract": _all_with(operator.sub),
    "Multiply": _all_with(operator.mul),
    "Maximum": _all_with(f.maximum),
    "Minimum": _all_with(f.minimum),
    "Average": lambda step, name, layer, values: (
        functools.reduce(operator.add, values) / len(values)
    ),
    "Concatenate": _concatenate,
}
