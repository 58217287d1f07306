"""Trains the network of a forecaster on the windows of all its series."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from refrain.errors import DataError
from refrain.study.batches import Arrays
from refrain.study.candidates import CANDIDATES, find_candidates
from refrain.study.race import train
from refrain.study.training import Budget, Training
from refrain.tasks.forecast.design import Design
from refrain.tasks.forecast.network import pinball_loss, quantile_network
from refrain.tasks.forecast.options import ForecastOptions
from refrain.tasks.forecast.samples import Samples, cut_samples, join
from refrain.tasks.windows import thin

RACE_EPOCHS = 5


def samples_of(design: Design, part: str, most: int) -> Samples:
    """Windows whose values to forecast all lie in a part of their series.

    Args:
        design: of the forecaster.
        part: "training" or "validation".
        most: windows, about, spread evenly over series and time; 0 for all.
    """
    layout = design.layout
    quota = -(-most // len(design.tracks))
    cut = []
    for track, ends in zip(design.tracks, design.ends, strict=True):
        first, end = (
            (0, ends.train) if part == "training" else (ends.train, ends.validation)
        )
        origins = np.arange(max(first, layout.first), end - layout.horizon + 1)
        # A value filled in owes something to the next one.
        origins = origins[track.observed[origins - 1]]
        if origins.size:
            cut.append(cut_samples(track, thin(origins, quota), layout))
    if not cut:
        raise DataError(
            f"no window of {layout.window} and {layout.horizon} steps lies in the "
            f"{part} parts; lower --window or --horizon"
        )
    return join(cut)


def learn(
    options: ForecastOptions,
    cell: str,
    training: Samples,
    validation: Samples,
    budget: Budget,
    **more: Any,
) -> tuple[keras.Model, Training]:
    """Train a network with this cell; `more` is for `study.race.train`."""
    (candidate,) = find_candidates(cell)
    levels = options.levels()

    def build() -> keras.Model:
        return quantile_network(
            candidate.build,
            training.past.shape[1:],
            training.ahead.shape[1:],
            len(levels),
            form=options.form,
            units=options.units,
            layers=options.layers,
            dropout=options.dropout,
        )

    arrays = Arrays(
        (training.past, training.ahead),
        training.targets[..., None],
        (validation.past, validation.ahead),
        validation.targets[..., None],
    )
    model, took = train(build, arrays, budget, loss=pinball_loss(levels), **more)
    # The same network without what it was trained by, which no file needs.
    return keras.Model(model.inputs, model.outputs), took


def fastest_learner(
    options: ForecastOptions, training: Samples, validation: Samples
) -> str:
    """The cell with the lowest validation loss after a few epochs of each."""
    budget = options.budget(epochs=min(RACE_EPOCHS, options.epochs))
    losses = {
        cell: min(learn(options, cell, training, validation, budget)[1].validation_loss)
        for cell in CANDIDATES
    }
    return min(losses, key=lambda cell: losses[cell])
