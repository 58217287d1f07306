"""Keras models with our layers in place of Keras's, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from refrain import layers
from refrain.convert.copies import arguments_of, copied, layers_of
from refrain.convert.names import (
    KERAS,
    OURS,
    TO_KERAS,
    TO_OURS,
    assign,
    assigned,
    standing_for,
)
from refrain.errors import ConversionError
from refrain.layers.equations import keras_cell_of


class Accelerated:
    """What `accelerate()` returns: as a context it ends with the block."""

    def __init__(self) -> None:
        self._before = assigned()
        assign(OURS)

    def __enter__(self) -> Accelerated:
        return self

    def __exit__(self, *_: object) -> None:
        assign(self._before)


def accelerate(model: Any = None) -> Any:
    """The same model with refrain's recurrent layers; or all models from now on.

    Args:
        model: a Keras model, built or not, trained or not. It stays as it is: the new
            model has variables of its own with the same values, the same names of
            layers, the same settings of `compile`, and an optimiser that goes on where
            this one is. `report` tells what runs the layers of the new one. Without a
            model, the names in `keras.layers` stand for refrain's layers until
            `restore`, for models that are built and for files that are loaded.

    Returns:
        The new model. Without a model, a context that ends with its block.

    Raises:
        ConversionError: Keras cannot make the model again from its configuration.
    """
    if model is None:
        return Accelerated()
    _check(model)
    # For layers that a class of the user's makes in its constructor.
    with standing_for(OURS):
        return copied(model, lambda layer, config: _of(TO_OURS, layer, config))


def restore() -> None:
    """Let the names in `keras.layers` stand for Keras's own layers again."""
    assign(KERAS)


def to_keras(model: Any) -> Any:
    """The same model of Keras's own layers, to be saved for those without refrain.

    Args:
        model: a Keras model with layers of refrain. It stays as it is.

    Raises:
        ConversionError: Keras has no layer for what one of the layers computes, or
            cannot make the model again from its configuration.
    """
    _check(model)
    reasons = [reason for layer in layers_of(model) for reason in _obstacles(layer)]
    if reasons:
        raise ConversionError(
            f"{model.name}: Keras has no layer for all of it.\n  "
            + "\n  ".join(dict.fromkeys(reasons))
        )
    with standing_for(KERAS):
        made = copied(model, _in_keras)
    left = [layer for layer in layers_of(made) if type(layer) in TO_KERAS]
    if left:
        raise ConversionError(
            f"{model.name}: expected layers that follow from its configuration; "
            f"{left[0].name} is made by code, which makes refrain's "
            f"{type(left[0]).__name__}.\n  Hint: make it with keras.layers there."
        )
    return made


def _check(model: Any) -> None:
    if not isinstance(model, keras.layers.Layer):
        raise ConversionError(
            f"expected a Keras model or layer, received {type(model).__name__}"
        )


def _of(classes: Mapping[type, type], layer: Any, config: dict[str, Any]) -> Any:
    return (classes[type(layer)], config) if type(layer) in classes else None


def _in_keras(layer: Any, config: dict[str, Any]) -> tuple[type, dict] | None:
    if isinstance(layer, layers.CellLayer) and (known := keras_cell_of(layer.sized)):
        name, settings = known
        return KERAS[name], {**config, **settings}
    return _of(TO_KERAS, layer, config)


def _obstacles(layer: Any) -> list[str]:
    """Why Keras has no layer for this one."""
    name = f"{layer.name} ({type(layer).__name__})"
    if isinstance(layer, layers.CellLayer):
        known, cell = keras_cell_of(layer.sized), layer.sized.cell.name
        return [] if known else [f"{name}: the equations of {cell} are no Keras cell"]
    if type(layer) not in TO_KERAS:
        return []
    return [
        f"{name}: Keras has no {key}={value!r}"
        for key, value in layer.get_config().items()
        if key not in arguments_of(TO_KERAS[type(layer)])
        and value not in (None, False, 0)
    ]
