"""Exponential smoothing by statsmodels: the forecast that networks have to beat.

The form is chosen on what comes before the first forecast, by the corrected
information criterion; later forecasts smooth on with the same parameters.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from statsmodels.tsa.exponential_smoothing.ets import ETSModel
from statsmodels.tsa.seasonal import STL

# A season with more steps than this has too many states to estimate; it is taken out
# by STL before (Cleveland et al. 1990), as R's `stlf` does.
LONGEST_SEASON = 24
# The form is chosen on so many points, the last ones, or on four seasons.
MOST_POINTS = 1000
# Forecasts that tell whether a long season is worth taking out.
TRIALS = 5


def ets(
    values: np.ndarray, origins: np.ndarray, horizon: int, season: int
) -> np.ndarray:
    """Forecasts of error, trend and season (Hyndman et al. 2008).

    Args:
        values: `(points,)`, without gaps.
        origins: index of the first value to forecast, `(windows,)`, rising.
        horizon: number of values to forecast.
        season: steps after which the series repeats itself; 1 for none.

    Returns:
        `(windows, horizon)`.
    """
    if season > LONGEST_SEASON and not _season_helps(
        values, origins[0], horizon, season
    ):
        season = 1
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # Of forms that do not converge, and lose.
        warnings.simplefilter("ignore")
        return _smooth(values, origins, horizon, season)


def _season_helps(values: np.ndarray, end: int, horizon: int, season: int) -> bool:
    """Whether forecasts before the first one were better with a long season."""
    origins = end - horizon * np.arange(TRIALS, 0, -1)
    if origins[0] < 2 * season + horizon:
        return False
    truth = values[origins[:, None] + np.arange(horizon)]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        wrong = [
            np.abs(_smooth(values, origins, horizon, s) - truth).mean()
            for s in (season, 1)
        ]
    return bool(wrong[0] < wrong[1])


def _smooth(
    values: np.ndarray, origins: np.ndarray, horizon: int, season: int
) -> np.ndarray:
    long = season if season > LONGEST_SEASON else 1
    known = values[max(0, origins[0] - max(MOST_POINTS, 4 * season)) : origins[0]]
    rest, _ = _parts(known, long)
    form, parameters = _choose(rest, 1 if long > 1 else season)
    return np.stack(
        [
            _forecast(values[:origin], form, parameters, horizon, long)
            for origin in origins
        ]
    )


def _parts(values: np.ndarray, season: int) -> tuple[np.ndarray, np.ndarray]:
    """Values without their season, and the last season; zero without one."""
    if season == 1 or len(values) < 2 * season:
        return values, np.zeros(1)
    # Between every tenth of a season, smooth curves are lines.
    jump = 1 + season // 10
    found = STL(values, period=season, trend_jump=jump, low_pass_jump=jump).fit()
    return values - found.seasonal, np.asarray(found.seasonal[-season:])


def _forms(values: np.ndarray, season: int) -> Iterator[dict[str, Any]]:
    seasonal = season > 1 and len(values) >= 2 * season + 4
    positive = bool(values.min() > 0)
    seasons = (None, "add", *(("mul",) if positive else ())) if seasonal else (None,)
    errors = ("add", "mul") if positive else ("add",)
    trends = ((None, False), ("add", False), ("add", True))
    for error, (trend, damped), cycle in itertools.product(errors, trends, seasons):
        if error == "add" and cycle == "mul":
            continue  # unstable, and left out by R's `ets` too
        yield {
            "error": error,
            "trend": trend,
            "damped_trend": damped,
            "seasonal": cycle,
            "seasonal_periods": season if cycle else None,
        }


def _choose(values: np.ndarray, season: int) -> tuple[dict[str, Any], np.ndarray]:
    """The form of the least AICc, and its parameters."""
    found = []
    for form in _forms(values, season):
        # First states are estimated for the chosen form alone, for they take long.
        quick: Any = _model(values, form, "heuristic").fit(disp=False)
        if np.isfinite(quick.aicc):
            found.append((float(quick.aicc), len(found), form))
    # Of a constant, no form has a likelihood, and all say the same.
    form = min(found)[2] if found else next(_forms(values, 1))
    chosen: Any = _model(values, form).fit(disp=False, maxiter=500)
    return form, np.asarray(chosen.params)


def _model(
    values: np.ndarray, form: dict[str, Any], first: str = "estimated"
) -> ETSModel:
    return ETSModel(values, initialization_method=first, **form)


def _forecast(
    values: np.ndarray,
    form: dict[str, Any],
    parameters: np.ndarray,
    horizon: int,
    season: int,
) -> np.ndarray:
    rest, cycle = _parts(values, season)
    smoothed: Any = _model(rest, form).smooth(parameters)
    return (
        np.asarray(smoothed.forecast(horizon)) + cycle[np.arange(horizon) % len(cycle)]
    )
