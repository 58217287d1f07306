"""Rolling-origin backtest: a network and baselines forecast the same windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refrain.errors import DataError
from refrain.tasks.baselines import drift, naive, seasonal_error, seasonal_naive
from refrain.tasks.forecast.accuracy import accuracy
from refrain.tasks.forecast.samples import Layout, Track, known_origins

# Smoothing takes a while for each forecast; beyond so many it is left out, and told.
MOST_SMOOTHED = 600

Forecast = Callable[[Track, np.ndarray], np.ndarray]
Rule = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of values and origins


@dataclass(frozen=True)
class Rolled:
    """Forecasts of one series from several origins.

    Attributes:
        name: of the series.
        origins: index of the first value of each forecast, `(windows,)`.
        truth: `(windows, horizon)`, NaN where it was not observed.
        quantiles: of the network, `(windows, horizon, levels)`.
        scale: the denominator of MASE.
    """

    name: str
    origins: np.ndarray
    truth: np.ndarray
    quantiles: np.ndarray
    scale: float


@dataclass(frozen=True)
class Backtest:
    """What a rolling-origin backtest found.

    Attributes:
        errors: measures by forecaster, see `accuracy`; the network's own are first.
        windows: forecasts made by each of them.
        notes: for the user.
    """

    errors: Mapping[str, Mapping[str, float]]
    windows: int
    notes: tuple[str, ...] = ()

    @property
    def best_baseline(self) -> str:
        """The baseline with the lowest MASE, or MAE where there is no MASE."""
        baselines = list(self.errors)[1:]
        return min(baselines, key=lambda name: self.errors[name][self.measure])

    @property
    def measure(self) -> str:
        """What decides: MASE, which series of any unit share, or else MAE."""
        return "mase" if "mase" in next(iter(self.errors.values())) else "mae"

    @property
    def beaten(self) -> bool:
        """Whether the network errs less than every baseline."""
        own = next(iter(self.errors.values()))
        return own[self.measure] < self.errors[self.best_baseline][self.measure]

    def advice(self) -> tuple[str, ...]:
        """The notes, and which baseline to use if the network is no better."""
        if self.beaten:
            return self.notes
        better = f"{self.best_baseline} errs less than the network on the test part"
        return (*self.notes, f"{better}: use that")

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        errors = {name: dict(found) for name, found in self.errors.items()}
        return {"errors": errors, "windows": self.windows, "notes": list(self.notes)}

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Backtest:
        """What `record` told."""
        return cls(record["errors"], record["windows"], tuple(record["notes"]))


def roll_origins(
    track: Track, first: int, layout: Layout, stride: int, most: int
) -> np.ndarray:
    """Origins from the end of a series back to `first`.

    Args:
        track: the series.
        first: the first point that may be forecast.
        layout: of the windows.
        stride: steps between two origins.
        most: the last so many are kept; 0 for all.
    """
    last = len(track) - layout.horizon
    origins = known_origins(track, layout, max(first, layout.season), len(track))
    origins = origins[(last - origins) % stride == 0]
    return origins[-most:] if most else origins


def backtest(
    tracks: Sequence[Track],
    firsts: Sequence[int],
    layout: Layout,
    forecast: Forecast,
    levels: Sequence[float],
    name: str,
    *,
    stride: int | None = None,
    most: int = 20,
    smooth: bool = True,
) -> tuple[Backtest, list[Rolled]]:
    """Forecast every series from rolling origins, by the network and by baselines.

    Args:
        tracks: the series.
        firsts: for each, the first point that may be forecast; the denominator of MASE
            comes from the points before it.
        layout: of the windows.
        forecast: the network's quantiles for a track and origins,
            `(windows, horizon, levels)`, in the series' unit.
        levels: of the quantiles, with 0.5 among them.
        name: of the network.
        stride: steps between origins; the horizon, so that nothing overlaps, if None.
        most: origins of a series, the last ones; 0 for all.
        smooth: whether ETS is among the baselines.
    """
    rolled = []
    for track, first in zip(tracks, firsts, strict=True):
        origins = roll_origins(track, first, layout, stride or layout.horizon, most)
        if origins.size:
            scale = seasonal_error(track, first, layout.season)
            rolled.append((track, _roll(track, origins, layout, forecast, scale)))
    if not rolled:
        raise DataError(
            "no forecast can be tested: no observed value lies a horizon before the "
            "end of any test part"
        )
    windows = sum(len(r.origins) for _, r in rolled)
    rules, notes = _baselines(layout, windows, smooth)
    found = Backtest(_judge(rolled, rules, levels, name), windows, notes)
    return found, [r for _, r in rolled]


def _roll(
    track: Track,
    origins: np.ndarray,
    layout: Layout,
    forecast: Forecast,
    scale: float,
) -> Rolled:
    index = origins[:, None] + np.arange(layout.horizon)
    truth = np.where(track.observed[index], track.values[index], np.nan)
    return Rolled(track.name, origins, truth, forecast(track, origins), scale)


def _baselines(
    layout: Layout, windows: int, smooth: bool
) -> tuple[dict[str, Rule], tuple[str, ...]]:
    """Baselines for so many forecasts, and a note where one of them is left out."""
    horizon, season = layout.horizon, layout.season
    rules: dict[str, Rule] = {"naive": lambda v, o: naive(v, o, horizon)}
    if season > 1:
        rules["seasonal naive"] = lambda v, o: seasonal_naive(v, o, horizon, season)
    rules["drift"] = lambda v, o: drift(v, o, horizon)
    if not smooth:
        return rules, ()
    if windows > MOST_SMOOTHED:
        return rules, (f"ETS left out: {windows:,} forecasts are many to smooth for",)
    from refrain.tasks.forecast.exponential import ets

    return rules | {"ETS": lambda v, o: ets(v, o, horizon, season)}, ()


def _judge(
    rolled: Sequence[tuple[Track, Rolled]],
    rules: Mapping[str, Rule],
    levels: Sequence[float],
    name: str,
) -> dict[str, dict[str, float]]:
    """Measures by forecaster, those of the network first."""
    truth = np.concatenate([r.truth for _, r in rolled])
    quantiles = np.concatenate([r.quantiles for _, r in rolled])
    scale = np.concatenate([np.full(len(r.origins), r.scale) for _, r in rolled])
    median = quantiles[..., list(levels).index(0.5)]
    errors = {name: accuracy(median, truth, scale, quantiles, levels)}
    for baseline, rule in rules.items():
        found = np.concatenate([rule(t.values, r.origins) for t, r in rolled])
        errors[baseline] = accuracy(found, truth, scale)
    return errors
