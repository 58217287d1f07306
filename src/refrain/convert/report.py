"""Which recurrent layers of a model refrain runs, which it does not, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from refrain.convert.names import TO_OURS
from refrain.layers.details import equations_of_layer, recurrent_layers
from refrain.layers.symbolic import Untraced


@dataclass(frozen=True)
class Entry:
    """One recurrent layer of a model.

    Attributes:
        path: the names that lead to it.
        ours: refrain runs it, on a native kernel or in a scan.
        text: what runs it, and why.
    """

    path: str
    ours: bool
    text: str


@dataclass(frozen=True)
class Report:
    """The recurrent layers of a model; printed, one line each."""

    model: str
    entries: tuple[Entry, ...]

    def __str__(self) -> str:
        count = sum(entry.ours for entry in self.entries)
        of = len(self.entries)
        first = f"{self.model}: refrain runs {count} of {of} recurrent layers"
        return "\n".join([first, *(f"  {e.path}: {e.text}" for e in self.entries)])


def report(model: Any) -> Report:
    """What runs each recurrent layer of a model, before or after `accelerate`."""
    return Report(model.name, tuple(_entry(*f) for f in recurrent_layers(model)))


def _entry(path: str, layer: Any) -> Entry:
    ours = hasattr(layer, "explain")
    text = layer.explain().removeprefix(f"{layer.name}: ") if ours else ""
    try:
        names = ", ".join(sized.cell.name for sized in equations_of_layer(layer))
    except Untraced as reason:
        loop = f"Keras's own loop on {keras.backend.backend()}, because {reason}"
        return Entry(path, False, text or loop)
    if ours:
        return Entry(path, True, text)
    kind = type(layer).__name__
    if type(layer) in TO_OURS:
        text = f"Keras's {kind}; accelerate runs it from the equations of {names}"
    else:
        text = f"{kind} is a class of its own, which stays as it is"
    return Entry(path, False, text)
