"""The contest of forecasts: recurrent networks against naive forecasts on one series.

All networks and baselines forecast the same windows of the test part, which no
choice has seen: training, early stopping and scaling use the earlier parts alone. The
series is read, cut and scaled as the forecaster does it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from refrain.compare.contest import Contest, Scored
from refrain.compare.record import Entry, Metric, Traces
from refrain.errors import DataError
from refrain.study.candidates import Candidate
from refrain.tasks.baselines import naive, seasonal_error, seasonal_naive
from refrain.tasks.forecast.accuracy import accuracy
from refrain.tasks.forecast.design import Wishes, make_design
from refrain.tasks.forecast.panel import Columns, Member, read_panel
from refrain.tasks.forecast.samples import (
    Samples,
    cut_samples,
    join,
    known_origins,
    thin,
)
from refrain.tasks.series import Series, bundled_series

if TYPE_CHECKING:
    import keras

# More than these change the errors little and the time much.
MOST_TEST_WINDOWS = 10_000
# The picture shows about so many points of forecasts.
DRAWN_POINTS, LEAST_BLOCKS = 120, 4
LOOKED_AT = 8  # windows that memory is measured on
MAE = Metric("MAE", "mean absolute error")
RMSE = Metric("RMSE", "root of the mean squared error")
MASE = Metric("MASE", "MAE / mean error of the seasonal naive forecast in training")


def forecast_contest(
    file: str | None = None,
    target: str | None = None,
    time: str | None = None,
    season: int | None = None,
    horizon: int | None = None,
    window: int | None = None,
    max_windows: int = 2000,
) -> Contest:
    """Forecasts of a column of a CSV file, or of the bundled series.

    Args:
        file: CSV file; None for monthly sea temperatures that statsmodels ships.
        target: column to forecast.
        time: column of dates.
        season, horizon, window: in steps; `make_design` chooses what is not given.
        max_windows: training windows used at most, spread evenly; 0 for all.

    Raises:
        DataError: the file, its columns or the sizes do not serve.
    """
    if file is None and (target or time):
        raise DataError("--target and --time choose columns of a FILE; none was given")
    if file is None:
        member = Member(bundled_series())
    else:
        (member,) = read_panel(Path(file), Columns(target, time), alone=True)
    return series_contest(member.series, Wishes(horizon, window, season), max_windows)


def series_contest(
    series: Series, wishes: Wishes | None = None, max_windows: int = 2000
) -> Contest:
    """Forecasts of a series in its windows.

    Raises:
        DataError: too few points, a constant training part, or gaps that leave no
            window.
    """
    parts = _Parts(series, wishes or Wishes(), max_windows)
    layout = parts.layout
    scale = "seasonal naive" if layout.season > 1 else "naive"
    looked = thin(np.arange(len(parts.test)), LOOKED_AT)
    return Contest(
        task="forecast",
        title=f"{series.name}, {series.source}",
        subtitle=(
            f"test part: each line is a forecast of {layout.horizon} values, made at "
            f"its start from the {layout.window} before it; one value every "
            f"{series.step}"
        ),
        about=_about(parts),
        # MASE alone can be compared between series; without it, so can MAE here.
        metrics=(MASE, MAE, RMSE) if parts.scale > 0 else (MAE, RMSE),
        loss="mae",
        training=(parts.training.past, parts.training.targets),
        validation=(parts.validation.past, parts.validation.targets),
        build=parts.build,
        judge=parts.judge,
        baselines=parts.baselines(),
        exhibit=parts.traces(),
        held_out=(parts.test.past[looked], parts.test.targets[looked]),
        facts=_facts(parts),
        notes=(
            f"Errors: {len(parts.test):,} test windows, {layout.horizon} steps each",
            f"MASE: MAE / mean error of the {scale} forecast on the training part",
            *_notes(parts),
        ),
        packages=("numpy", "pandas", "statsmodels"),
    )


class _Parts:
    """One series, cut into windows."""

    def __init__(self, series: Series, wishes: Wishes, max_windows: int):
        self.series = series
        self.max_windows = max_windows
        # Distances from the last season ask for its values, which the network of a
        # forecaster is given beside the window; these read the window alone.
        self.design = make_design([Member(series)], replace(wishes, reference="last"))
        self.layout = self.design.layout
        (self.track,), (self.ends,) = self.design.tracks, self.design.ends
        ends = self.ends
        _check_changes(series, ends.train)
        training = self._origins(0, ends.train)
        validation = self._origins(ends.train, ends.validation)
        test = self._origins(ends.validation, ends.points)
        self.training = self._cut(thin(training, max_windows))
        self.validation = self._cut(thin(validation, max_windows // 2))
        self.origins = thin(test, MOST_TEST_WINDOWS)
        self.test = self._cut(self.origins)
        self.blocks = self._blocks(test)
        index = self._index(self.origins)
        self.truth = np.where(series.observed, series.values, np.nan)[index]
        self.scale = seasonal_error(series, ends.train, self.layout.season)

    def _origins(self, first: int, end: int) -> np.ndarray:
        origins = known_origins(self.track, self.layout, first, end)
        if not self.series.observed[self._index(origins)].any():
            raise DataError(
                f"{self.series.name!r}: no window ends on an observed value and "
                f"forecasts one between points {first:,} and {end:,}; choose a stretch "
                "with fewer gaps, or lower --horizon"
            )
        return origins

    def _blocks(self, origins: np.ndarray) -> np.ndarray:
        """The last forecasts that follow each other without overlap."""
        horizon = self.layout.horizon
        apart = origins[(self.ends.points - origins) % horizon == 0]
        most = max(LEAST_BLOCKS, DRAWN_POINTS // horizon)
        return apart[-most:] if apart.size else origins[-1:]

    def _index(self, origins: np.ndarray) -> np.ndarray:
        return origins[:, None] + np.arange(self.layout.horizon)

    def _cut(self, origins: np.ndarray) -> Samples:
        """Windows; what was filled in is a target too, for the loss knows no gaps."""
        samples = cut_samples(self.track, origins, self.layout)
        z = self.track.scaling.scale(self.series.values)[self._index(origins)]
        targets = (z - samples.base) / samples.unit
        return replace(samples, targets=targets.astype(np.float32))

    def build(self, candidate: Candidate, units: int) -> keras.Model:
        """One recurrent layer over the window, and a dense layer for all the horizon.

        Returns:
            Model from `(batch, window, channels)` to `(batch, horizon)`.
        """
        import keras

        inputs = keras.Input(self.training.past.shape[1:])
        state = candidate.build(units)(inputs)
        return keras.Model(inputs, keras.layers.Dense(self.layout.horizon)(state))

    def judge(self, model: keras.Model) -> Scored:
        """Errors on the test part, and the forecasts of the picture's blocks."""
        from refrain.study.train import predict

        # One call, for each number of windows is compiled anew.
        samples = join([self.test, self._cut(self.blocks)])
        scaled = samples.restore(predict(model, samples.past)[..., None])[..., 0]
        found = self.track.scaling.restore(scaled)
        errors = self._errors(found[: len(self.test)])
        return Scored(errors, found[len(self.test) :].tolist())

    def baselines(self) -> tuple[Entry, ...]:
        """The naive forecasts."""
        values, layout = self.series.values, self.layout
        rules: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            "naive": lambda o: naive(values, o, layout.horizon)
        }
        if layout.season > 1:
            rules["seasonal naive"] = lambda o: seasonal_naive(
                values, o, layout.horizon, layout.season
            )
        return tuple(
            Entry(
                name.split()[0],
                name,
                self._errors(rule(self.origins)),
                shown=rule(self.blocks).tolist(),
            )
            for name, rule in rules.items()
        )

    def _errors(self, forecast: np.ndarray) -> dict[str, float]:
        scale = np.full(len(forecast), self.scale)
        found = accuracy(forecast, self.truth, scale)
        names = (metric.name for metric in (MASE, MAE, RMSE))
        return {name: found.get(name.lower(), math.nan) for name in names}

    def traces(self) -> Traces:
        """The truth of the blocks, with some of what came before."""
        series, origins = self.series, self.blocks
        first = max(0, int(origins[0]) - min(self.layout.window, DRAWN_POINTS // 4))
        shown = slice(first, len(series))
        times = np.arange(len(series)) if series.times is None else series.times
        truth = zip(series.values[shown], series.observed[shown], strict=True)
        return Traces(
            quantity=series.name,
            clock=f"time ({series.step}s)" if series.times is None else "time",
            times=[_label(time) for time in times[shown]],
            truth=[float(value) if seen else None for value, seen in truth],
            starts=[int(origin) - first for origin in origins],
        )


def _check_changes(series: Series, train: int) -> None:
    """Refuse a training part that no network learns anything from."""
    training = series.values[:train]
    if training.min() == training.max():
        raise DataError(
            f"{series.name!r}: the training part, the first {train:,} points, is "
            f"constant ({training[0]:g}); there is nothing to learn from it; choose "
            "another stretch"
        )


def _about(parts: _Parts) -> tuple[str, ...]:
    series, layout, ends = parts.series, parts.layout, parts.ends
    span = "taken as one step apart"
    if series.times is not None:
        first, last = (str(series.times[k])[:16] for k in (0, -1))
        span = f"one every {series.step}, {first} to {last}"
    none = layout.season == 1 and parts.design.season_from != "given"
    season = "" if none else f"{layout.season}: "
    validation, test = ends.validation - ends.train, ends.points - ends.validation
    return (
        f"{len(series):,} points, {span}",
        f"training {ends.train:,}, validation {validation:,}, test {test:,} points",
        f"forecasts of {layout.horizon} steps from windows of {layout.window}",
        f"season {season}{parts.design.season_from}",
        *series.notes,
    )


def _facts(parts: _Parts) -> dict[str, Any]:
    series, layout, ends = parts.series, parts.layout, parts.ends
    edges = (0, ends.train, ends.validation, ends.points)
    split = {}
    for name, first, end, part in zip(
        ("training", "validation", "test"),
        edges[:-1],
        edges[1:],
        (parts.training, parts.validation, parts.test),
        strict=True,
    ):
        split[name] = {"points": end - first, "windows": len(part)}
        if series.times is not None:
            split[name]["first"] = _label(series.times[first])
            split[name]["last"] = _label(series.times[end - 1])
    return {
        "series": series.name,
        "source": series.source,
        "points": len(series),
        "missing": int((~series.observed).sum()),
        "step": series.step,
        "window": layout.window,
        "horizon": layout.horizon,
        "season": layout.season,
        "season_from": parts.design.season_from,
        "treatment": list(series.notes),
        "mase_scale": parts.scale,
        "split": split,
        "max_windows": parts.max_windows,
    }


def _notes(parts: _Parts) -> list[str]:
    layout, most, notes = parts.layout, parts.max_windows, []
    possible = parts.ends.train - layout.first - layout.horizon + 1
    if most and len(parts.training) == most < possible:
        notes.append(
            f"{most:,} of {possible:,} training windows used, spread evenly "
            "(--max-windows)"
        )
    if layout.season == 1:
        notes.append("no season, so no seasonal naive forecast (--season sets one)")
    if not parts.scale > 0:
        notes.append(
            "no MASE: the seasonal naive forecast makes no error on the training part"
        )
    return notes


def _label(time: Any) -> str | float:
    """A time for JSON: an ISO date, or a number."""
    return str(time) if isinstance(time, np.datetime64) else float(time)
