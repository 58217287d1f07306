"""Trains the network of a forecaster on the windows of all its series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras

from refrain.errors import DataError
from refrain.study.batches import Arrays
from refrain.study.candidates import CANDIDATES, find_candidates
from refrain.study.train import Progress, train
from refrain.study.training import Budget, Training
from refrain.tasks.forecast.design import Design
from refrain.tasks.forecast.network import pinball_loss, quantile_network
from refrain.tasks.forecast.options import ForecastOptions
from refrain.tasks.forecast.samples import (
    Samples,
    cut_samples,
    join,
    known_origins,
    thin,
)

RACE_EPOCHS = 5


@dataclass(frozen=True)
class Watch:
    """Who is told of a training, and where it is kept.

    Attributes:
        report: called with a network's name and where its training stands.
        callbacks: of Keras, for the training of the final network.
        folder: keeps where each training stands after each epoch; if it did so before,
            training goes on from there to the same network.
    """

    report: Callable[[str, Progress], None] = lambda *_: None
    callbacks: Sequence[keras.callbacks.Callback] = ()
    folder: Path | None = None

    def aside(self, prefix: str = "") -> Watch:
        """For trainings before the last one, which callbacks are not told of."""
        return replace(
            self,
            report=lambda name, progress: self.report(f"{prefix}{name}", progress),
            callbacks=(),
        )


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
        origins = known_origins(track, layout, first, end)
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
    watch: Watch,
    name: str,
) -> tuple[keras.Model, Training]:
    """Train a network with this cell; `name` is that of its checkpoint."""
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
    model, took = train(
        build,
        arrays,
        budget,
        lambda progress: watch.report(candidate.name, progress),
        loss=pinball_loss(levels),
        callbacks=watch.callbacks,
        about={
            "cell": cell,
            "form": options.form,
            "layers": options.layers,
            "dropout": options.dropout,
            "quantiles": levels,
        },
        checkpoint=watch.folder and watch.folder / f"{name}.npz",
    )
    # The same network without what it was trained by, which no file needs.
    return keras.Model(model.inputs, model.outputs), took


def fastest_learner(
    options: ForecastOptions, training: Samples, validation: Samples, watch: Watch
) -> str:
    """The cell with the lowest validation loss after a few epochs of each."""
    budget = options.budget(epochs=min(RACE_EPOCHS, options.epochs))
    losses = {}
    for cell in CANDIDATES:
        aside = watch.aside()
        _, took = learn(options, cell, training, validation, budget, aside, cell)
        losses[cell] = min(took.validation_loss)
    return min(losses, key=lambda cell: losses[cell])


def best_options(
    options: ForecastOptions,
    cell: str,
    training: Samples,
    validation: Samples,
    watch: Watch,
    trials: int,
) -> dict[str, float]:
    """Units, layers, learning rate and dropout of a search, by the validation loss."""
    # Here: optuna is needed for a search alone.
    from refrain.tasks.job.tune import Range, network_space, tune

    space = network_space(dropout=Range(0.0, 0.4))

    def score(number: int, tried: dict[str, float]) -> float:
        tried_options = replace(options, **tried)  # pyright: ignore[reportArgumentType]
        name, budget = f"trial {number + 1}", tried_options.budget()
        aside = watch.aside(f"{name}: ")
        _, took = learn(tried_options, cell, training, validation, budget, aside, name)
        return min(took.validation_loss)

    return tune(space, score, trials, options.seed, watch.folder)[0].options
