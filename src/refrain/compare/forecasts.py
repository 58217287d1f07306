"""The contest of forecasts: recurrent networks against naive forecasts on one series.

All networks and baselines forecast the same windows of the test part, which no
choice has seen: training, early stopping and scaling use the earlier parts alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from refrain.compare.contest import Contest, Scored
from refrain.compare.record import Entry, Metric, Traces
from refrain.errors import DataError
from refrain.study.candidates import Candidate
from refrain.tasks.baselines import naive, seasonal_error, seasonal_naive
from refrain.tasks.forecast.accuracy import accuracy
from refrain.tasks.series import Series, bundled_series, read_series
from refrain.tasks.windows import Frame, Part, Windows, frame, thin

if TYPE_CHECKING:
    import keras

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
        season, horizon, window: in steps; see `windows.frame`.
        max_windows: training windows used at most, spread evenly; 0 for all.

    Raises:
        DataError: the file, its columns or the sizes do not serve.
    """
    if file is None and (target or time):
        raise DataError("--target and --time choose columns of a FILE; none was given")
    series = read_series(Path(file), target, time) if file else bundled_series()
    cut = frame(series, season, horizon, window)
    return series_contest(series, cut, max_windows)


def series_contest(series: Series, cut: Frame, max_windows: int = 2000) -> Contest:
    """Forecasts of a series in its windows.

    Raises:
        DataError: the training part is constant, or gaps leave no window.
    """
    parts = _Parts(series, cut, max_windows)
    scale = "seasonal naive" if cut.season > 1 else "naive"
    looked = thin(np.arange(len(parts.test)), LOOKED_AT)
    return Contest(
        task="forecast",
        title=f"{series.name}, {series.source}",
        subtitle=(
            f"test part: each line is a forecast of {cut.horizon} values, made at its "
            f"start from the {cut.window} before it; one value every {series.step}"
        ),
        about=_about(series, cut),
        # MASE alone can be compared between series; without it, so can MAE here.
        metrics=(MASE, MAE, RMSE) if parts.scale > 0 else (MAE, RMSE),
        loss="mae",
        training=(parts.training.inputs, parts.training.targets),
        validation=(parts.validation.inputs, parts.validation.targets),
        build=parts.build,
        judge=parts.judge,
        baselines=parts.baselines(),
        exhibit=parts.traces(),
        held_out=(parts.test.inputs[looked], parts.test.targets[looked]),
        facts=_facts(parts),
        notes=(
            f"Errors: {len(parts.test):,} test windows, {cut.horizon} steps each",
            f"MASE: MAE / mean error of the {scale} forecast on the training part",
            *_notes(parts),
        ),
        packages=("numpy", "pandas", "statsmodels"),
    )


class _Parts:
    """One series, cut into windows."""

    def __init__(self, series: Series, cut: Frame, max_windows: int):
        self.series = series
        self.cut = cut
        self.max_windows = max_windows
        windows = Windows(series, cut)
        self.training = windows.training(max_windows)
        self.validation = windows.validation(max_windows // 2)
        self.test = windows.test()
        self.blocks = windows.blocks(max(LEAST_BLOCKS, DRAWN_POINTS // cut.horizon))
        index = windows.target_index(self.test.origins)
        self.truth = series.values[index]
        self.observed = series.observed[index]
        self.scale = seasonal_error(series, cut.train_end, cut.season)

    def build(self, candidate: Candidate, units: int) -> keras.Model:
        """One recurrent layer over the window, and a dense layer for all the horizon.

        Returns:
            Model from `(batch, window, channels)` to `(batch, horizon)`.
        """
        import keras

        inputs = keras.Input(self.training.inputs.shape[1:])
        state = candidate.build(units)(inputs)
        return keras.Model(inputs, keras.layers.Dense(self.cut.horizon)(state))

    def judge(self, model: keras.Model) -> Scored:
        """Errors on the test part, and the forecasts of the picture's blocks."""
        from refrain.study.train import predict

        # One call, for each number of windows is compiled anew.
        scaled = predict(model, np.concatenate([self.test.inputs, self.blocks.inputs]))
        errors = self._errors(self.test.restore(scaled[: len(self.test)]))
        drawn = self.blocks.restore(scaled[len(self.test) :])
        return Scored(errors, drawn.tolist())

    def baselines(self) -> tuple[Entry, ...]:
        """The naive forecasts."""
        cut, values = self.cut, self.series.values
        forecasts: list[tuple[str, str, Callable[[Part], np.ndarray]]] = [
            ("naive", "naive", lambda p: naive(values, p.origins, cut.horizon))
        ]
        if cut.season > 1:
            forecasts.append(
                (
                    "seasonal",
                    "seasonal naive",
                    lambda p: seasonal_naive(
                        values, p.origins, cut.horizon, cut.season
                    ),
                )
            )
        return tuple(
            Entry(
                key,
                name,
                self._errors(rule(self.test)),
                shown=rule(self.blocks).tolist(),
            )
            for key, name, rule in forecasts
        )

    def _errors(self, forecast: np.ndarray) -> dict[str, float]:
        truth = np.where(self.observed, self.truth, np.nan)
        found = accuracy(forecast, truth, np.full(len(truth), self.scale))
        names = (metric.name for metric in (MAE, RMSE, MASE))
        return {name: found.get(name.lower(), math.nan) for name in names}

    def traces(self) -> Traces:
        """The truth of the blocks, with some of what came before."""
        series, cut, origins = self.series, self.cut, self.blocks.origins
        first = max(0, int(origins[0]) - min(cut.window, DRAWN_POINTS // 4))
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


def _about(series: Series, cut: Frame) -> tuple[str, ...]:
    span = "taken as one step apart"
    if series.times is not None:
        first, last = (str(series.times[k])[:16] for k in (0, -1))
        span = f"one every {series.step}, {first} to {last}"
    none = cut.season == 1 and cut.season_from != "given"
    season = "" if none else f"{cut.season}: "
    validation = cut.validation_end - cut.train_end
    test = cut.points - cut.validation_end
    return (
        f"{len(series):,} points, {span}",
        f"training {cut.train_end:,}, validation {validation:,}, test {test:,} points",
        f"forecasts of {cut.horizon} steps from windows of {cut.window}",
        f"season {season}{cut.season_from}",
        *series.notes,
    )


def _facts(parts: _Parts) -> dict[str, Any]:
    series, cut = parts.series, parts.cut
    ends = (0, cut.train_end, cut.validation_end, cut.points)
    split = {}
    for name, first, end, part in zip(
        ("training", "validation", "test"),
        ends[:-1],
        ends[1:],
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
        "window": cut.window,
        "horizon": cut.horizon,
        "season": cut.season,
        "season_from": cut.season_from,
        "treatment": list(series.notes),
        "mase_scale": parts.scale,
        "split": split,
        "max_windows": parts.max_windows,
    }


def _notes(parts: _Parts) -> list[str]:
    cut, most, notes = parts.cut, parts.max_windows, []
    possible = cut.train_end - cut.window - cut.horizon + 1
    if most and len(parts.training) == most < possible:
        notes.append(
            f"{most:,} of {possible:,} training windows used, spread evenly "
            "(--max-windows)"
        )
    if cut.season == 1:
        notes.append("no season, so no seasonal naive forecast (--season sets one)")
    if not parts.scale > 0:
        notes.append(
            "no MASE: the seasonal naive forecast makes no error on the training part"
        )
    return notes


def _label(time: Any) -> str | float:
    """A time for JSON: an ISO date, or a number."""
    return str(time) if isinstance(time, np.datetime64) else float(time)
