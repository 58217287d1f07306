"""Forecasts that need no training, and the scale that MASE judges all others by."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np


class Values(Protocol):
    """Values of a series, `(points,)`, and where they were observed."""

    @property
    def values(self) -> np.ndarray: ...  # noqa: D102

    @property
    def observed(self) -> np.ndarray: ...  # noqa: D102


def naive(values: np.ndarray, origins: np.ndarray, horizon: int) -> np.ndarray:
    """The last value, repeated.

    Args:
        values: `(points,)`.
        origins: index of the first value to forecast, `(windows,)`.
        horizon: number of values to forecast.

    Returns:
        `(windows, horizon)`.
    """
    return np.repeat(values[origins - 1][:, None], horizon, axis=1)


def seasonal_naive(
    values: np.ndarray, origins: np.ndarray, horizon: int, season: int
) -> np.ndarray:
    """The last season, repeated; shapes as for `naive`."""
    ahead = np.arange(horizon)
    return values[origins[:, None] + ahead - season * (1 + ahead // season)]


def drift(values: np.ndarray, origins: np.ndarray, horizon: int) -> np.ndarray:
    """On along the line from the first value to the last; shapes as for `naive`."""
    last = values[origins - 1]
    slope = (last - values[0]) / np.maximum(origins - 1, 1)
    return last[:, None] + slope[:, None] * np.arange(1, horizon + 1)


def seasonal_error(series: Values, end: int, season: int) -> float:
    """Mean absolute error of the seasonal naive forecast on the first `end` points.

    The denominator of MASE (Hyndman & Koehler 2006,
    doi:10.1016/j.ijforecast.2006.03.001): one season ahead, observed values only.
    """
    values, observed = series.values[:end], series.observed[:end]
    both = observed[season:] & observed[:-season]
    if not both.any():
        return math.nan
    return float(np.abs(values[season:] - values[:-season])[both].mean())
