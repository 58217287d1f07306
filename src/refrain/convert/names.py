"""Whose classes the names in `keras.layers` are: Keras's, or ours.

A model that is built or loaded looks its layers up by these names, so they decide what
it is made of. Code may have taken Keras's classes under names of its own before; while
the names are ours, a call of such a class makes a layer of ours as well.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
from keras.src import api_export

from refrain import layers

OURS: dict[str, Any] = {
    name: getattr(layers, name)
    for name in layers.__all__
    if hasattr(keras.layers, name)
}
# This module alone sets the names, so these are Keras's own.
KERAS: dict[str, Any] = {name: getattr(keras.layers, name) for name in OURS}
TO_OURS = {KERAS[name]: OURS[name] for name in OURS}
TO_KERAS = {OURS[name]: KERAS[name] for name in OURS}

# The public names, those that files of Keras 2 are read by, and tf.keras.
_PLACES = ("keras.layers", "keras.src.layers", "keras._tf_keras.keras.layers")


def assign(classes: Mapping[str, type]) -> None:
    """Let Keras's names of recurrent layers stand for these classes."""
    for name, found in classes.items():
        for place in _PLACES:
            if place in sys.modules:
                setattr(sys.modules[place], name, found)
        # What a configuration is read by.
        api_export.REGISTERED_NAMES_TO_OBJS[f"keras.layers.{name}"] = found
        if not name.endswith("Cell"):  # our layers run Keras's cells as well
            _let_make(KERAS[name], found)


def _let_make(kind: Any, found: type) -> None:
    """Let a call of Keras's class make this class; derived classes stay as they are."""
    if "__new__" in vars(kind):
        del kind.__new__
    if found is kind:
        return
    inherited = kind.__new__

    def make(cls: type, *args: Any, **kwargs: Any) -> Any:
        return inherited(found if cls is kind else cls, *args, **kwargs)

    kind.__new__ = staticmethod(make)


def assigned() -> dict[str, type]:
    """The classes that the names stand for now."""
    return {name: getattr(keras.layers, name) for name in OURS}


@contextmanager
def standing_for(classes: Mapping[str, type]) -> Iterator[None]:
    """Let the names stand for these classes inside a block."""
    before = assigned()
    assign(classes)
    try:
        yield
    finally:
        assign(before)
