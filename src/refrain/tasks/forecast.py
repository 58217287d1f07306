"""Forecasting: recurrent networks against naive forecasts on one series.

All networks and baselines forecast the same windows of the test part, which no
choice has seen: training, early stopping and scaling use the earlier parts alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from refrain.study.candidates import Candidate
from refrain.study.race import Arrays, Budget, Progress, predict, step_time_us, train
from refrain.study.record import Comparison, Entry, Network, Traces
from refrain.study.versions import versions
from refrain.tasks.baselines import (
    forecast_errors,
    naive,
    seasonal_error,
    seasonal_naive,
)
from refrain.tasks.series import Series
from refrain.tasks.windows import Frame, Part, Windows

# The picture shows about so many points of forecasts.
DRAWN_POINTS, LEAST_BLOCKS = 120, 4


@dataclass(frozen=True)
class Setup:
    """What all networks of a comparison share.

    Attributes:
        units: of each recurrent layer, a direction.
        max_windows: training windows used at most, spread evenly; 0 for all.
        budget: for training.
    """

    units: int = 32
    max_windows: int = 2000
    budget: Budget = dataclasses.field(default_factory=Budget)


def forecaster(
    candidate: Candidate, units: int, window: int, channels: int, horizon: int
) -> keras.Model:
    """One recurrent layer over the window, and a dense layer for all of the horizon.

    Returns:
        Model from `(batch, window, channels)` to `(batch, horizon)`.
    """
    inputs = keras.Input((window, channels))
    state = candidate.build(units)(inputs)
    return keras.Model(inputs, keras.layers.Dense(horizon)(state))


class Contest:
    """One series, cut into windows, on which forecasts are compared."""

    def __init__(self, series: Series, cut: Frame, setup: Setup):
        self.series = series
        self.cut = cut
        self.setup = setup
        windows = Windows(series, cut)
        self.training = windows.training(setup.max_windows)
        self.validation = windows.validation(setup.max_windows // 2)
        self.test = windows.test()
        self.blocks = windows.blocks(max(LEAST_BLOCKS, DRAWN_POINTS // cut.horizon))
        index = windows.target_index(self.test.origins)
        self.truth = series.values[index]
        self.observed = series.observed[index]
        self.scale = seasonal_error(series, cut.train_end, cut.season)

    def baselines(self) -> list[tuple[Entry, np.ndarray]]:
        """The naive forecasts, each with its values for the blocks of the picture."""
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
        return [
            (Entry(key, name, self._errors(rule(self.test))), rule(self.blocks))
            for key, name, rule in forecasts
        ]

    def enter(
        self, candidate: Candidate, report: Callable[[Progress], None]
    ) -> tuple[Entry, np.ndarray]:
        """Train a candidate; its entry, and its values for the picture's blocks."""
        window, channels = self.training.inputs.shape[1:]
        model, training = train(
            lambda: forecaster(
                candidate, self.setup.units, window, channels, self.cut.horizon
            ),
            Arrays(
                self.training.inputs,
                self.training.targets,
                self.validation.inputs,
                self.validation.targets,
            ),
            self.setup.budget,
            report,
        )
        network = Network(
            parameters=model.count_params(),
            gates=candidate.gates,
            directions=candidate.directions,
            step_us=step_time_us(model, self.test.inputs[:1]),
            path=model.layers[1].explain(),
            training=training,
        )
        # One call, for each number of windows is compiled anew.
        scaled = predict(model, np.concatenate([self.test.inputs, self.blocks.inputs]))
        errors = self._errors(self.test.restore(scaled[: len(self.test)]))
        entry = Entry(candidate.key, candidate.name, errors, network)
        return entry, self.blocks.restore(scaled[len(self.test) :])

    def _errors(self, forecast: np.ndarray) -> dict[str, float]:
        return forecast_errors(forecast, self.truth, self.observed, self.scale)

    def traces(self, forecasts: dict[str, np.ndarray]) -> Traces:
        """The blocks' forecasts over the truth, with some of what came before."""
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
            forecasts={key: rows.tolist() for key, rows in forecasts.items()},
        )


def compare_forecasts(
    series: Series,
    cut: Frame,
    candidates: Sequence[Candidate],
    setup: Setup,
    report: Callable[[Candidate, Progress], None] = lambda *_: None,
) -> Comparison:
    """Train each candidate on the same windows and judge it on the same test part.

    Args:
        series: the data.
        cut: its windows and parts; see `windows.frame`.
        candidates: the networks, in the order of the table.
        setup: what they share.
        report: called after each epoch of each candidate.

    Raises:
        DataError: the training part is constant, or gaps leave no window.
    """
    contest = Contest(series, cut, setup)
    results = contest.baselines()
    for candidate in candidates:
        results.append(contest.enter(candidate, lambda p, c=candidate: report(c, p)))
    return Comparison(
        title=f"{series.name}, {series.source}",
        subtitle=(
            f"test part: each line is a forecast of {cut.horizon} values, made at its "
            f"start from the {cut.window} before it; one value every {series.step}"
        ),
        facts=_facts(contest),
        notes=tuple(_notes(contest)),
        entries=tuple(entry for entry, _ in results),
        traces=contest.traces({entry.key: drawn for entry, drawn in results}),
        versions=versions("numpy", "pandas", "statsmodels"),
    )


def _facts(contest: Contest) -> dict[str, Any]:
    series, cut = contest.series, contest.cut
    ends = (0, cut.train_end, cut.validation_end, cut.points)
    parts = (contest.training, contest.validation, contest.test)
    split = {}
    for name, first, end, part in zip(
        ("training", "validation", "test"), ends[:-1], ends[1:], parts, strict=True
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
        "mase_scale": contest.scale,
        "split": split,
        "units": contest.setup.units,
        "max_windows": contest.setup.max_windows,
        "budget": dataclasses.asdict(contest.setup.budget),
    }


def _notes(contest: Contest) -> list[str]:
    cut, notes = contest.cut, []
    possible = cut.train_end - cut.window - cut.horizon + 1
    most = contest.setup.max_windows
    if most and len(contest.training) == most < possible:
        notes.append(
            f"{most:,} of {possible:,} training windows used, spread evenly "
            "(--max-windows)"
        )
    if cut.season == 1:
        notes.append("no season, so no seasonal naive forecast (--season sets one)")
    if not contest.scale > 0:
        notes.append(
            "no MASE: the seasonal naive forecast makes no error on the training part"
        )
    return notes


def _label(time: Any) -> str | float:
    """A time for JSON: an ISO date, or a number."""
    return str(time) if isinstance(time, np.datetime64) else float(time)
