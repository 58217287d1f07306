"""The forecasting network: a window in, quantiles of every value of the horizon out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

# Numbers that carry the state of the encoder to each step of the direct form.
CONTEXT = 8


def quantile_network(
    layer: Callable[..., Any],
    past: tuple[int, int],
    ahead: tuple[int, int],
    quantiles: int,
    *,
    form: str = "direct",
    units: int = 32,
    layers: int = 1,
    dropout: float = 0.0,
) -> keras.Model:
    """A recurrent encoder, and a decoder that knows what is known in advance.

    The direct form computes all steps at once, each from the encoder's state, a context
    of its own and what is known of it (the MQ-RNN of Wen et al. 2017, arXiv
    1711.11053). The encoder-decoder form runs a second recurrent layer over the
    horizon, which sees the encoder's state at each step (Cho et al. 2014, arXiv
    1406.1078).

    The last layer starts at zero: an untrained network forecasts the plain forecast.
    A stream finds the parts of the network by the names of layers.

    Args:
        layer: makes a recurrent layer, given units and `return_sequences`.
        past, ahead: steps and channels of the two inputs.
        quantiles: their number.
        form: "direct" or "encoder-decoder".
        units: of each recurrent layer.
        layers: recurrent layers of the encoder.
        dropout: share of the encoder's state that is left out in training.

    Returns:
        Model from `(batch, *past)` and `(batch, *ahead)` to
        `(batch, horizon, quantiles)`.
    """
    window, known = keras.Input(past, name="past"), keras.Input(ahead, name="ahead")
    state = window
    for k in range(layers):
        state = layer(units, return_sequences=k < layers - 1)(state)
        if dropout:
            state = keras.layers.Dropout(dropout)(state)
    horizon = ahead[0]
    repeated = keras.layers.RepeatVector(horizon, name="repeated")(state)
    if form == "direct":
        context = keras.layers.Dense(horizon * CONTEXT, name="context")(state)
        context = keras.layers.Reshape((horizon, CONTEXT))(context)
        joined = _joined([repeated, context, known])
        hidden = keras.layers.Dense(units, activation="relu")(joined)
    else:
        joined = _joined([repeated, known])
        hidden = layer(units, return_sequences=True)(joined)
    # What is known in advance has a straight way out, for lags tell much by themselves.
    hidden = keras.layers.Concatenate(name="hidden")([hidden, known])
    last = keras.layers.Dense(quantiles, kernel_initializer="zeros", name="quantiles")
    return keras.Model([window, known], last(hidden))


def _joined(parts: list[Any]) -> Any:
    return keras.layers.Concatenate(name="joined")(parts)


def pinball_loss(levels: Sequence[float]) -> Callable[[Any, Any], Any]:
    """The loss whose least value the quantiles of these levels have.

    Koenker and Bassett 1978, doi:10.2307/1913643. Targets are
    `(batch, horizon, 1)`; those that are NaN do not count.
    """
    level = np.asarray(levels, np.float32)

    def pinball(truth: Any, forecast: Any) -> Any:
        seen: Any = ops.logical_not(ops.isnan(truth))
        wrong: Any = ops.where(seen, truth, 0.0) - forecast
        loss = ops.maximum(level * wrong, (level - 1) * wrong)
        counted: Any = ops.where(seen, ops.mean(loss, axis=-1, keepdims=True), 0.0)
        count: Any = ops.sum(ops.cast(seen, counted.dtype), axis=(1, 2))
        total: Any = ops.sum(counted, axis=(1, 2))
        return total / ops.maximum(count, 1.0)

    return pinball
