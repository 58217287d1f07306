"""How good forecasts are, in the measures that forecasters use."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def accuracy(
    forecast: np.ndarray,
    truth: np.ndarray,
    scale: np.ndarray,
    quantiles: np.ndarray | None = None,
    levels: Sequence[float] = (),
) -> dict[str, float]:
    """Measures over all windows and steps whose truth was observed.

    Args:
        forecast: `(windows, horizon)`.
        truth: `(windows, horizon)`, NaN where it was not observed.
        scale: the denominator of MASE for each window, `(windows,)`; windows where it
            is 0 or NaN are left out of MASE.
        quantiles: `(windows, horizon, levels)`, in rising order.
        levels: of the quantiles, e.g. 0.05.

    Returns:
        MAE and RMSE in the unit of the series; sMAPE in percent, from 0 to 200; MASE
        (Hyndman & Koehler 2006, doi:10.1016/j.ijforecast.2006.03.001); with quantiles,
        the mean pinball loss over all levels, and the share of values between the
        lowest and the highest. What is not defined is left out: MASE without a scale,
        the last two without quantiles.
    """
    seen = ~np.isnan(truth)
    if not seen.any():
        return {}
    wrong = np.abs(forecast - truth)
    size = np.abs(forecast) + np.abs(truth)
    share = np.where(size > 0, 2 * wrong / np.where(size > 0, size, 1), 0.0)
    usable = seen & (np.nan_to_num(scale) > 0)[:, None]
    scaled = (wrong / np.where(scale > 0, scale, math.nan)[:, None])[usable]
    found = {
        "mae": float(wrong[seen].mean()),
        "rmse": float(np.sqrt(np.square(wrong[seen]).mean())),
        "smape": float(100 * share[seen].mean()),
    }
    if scaled.size:
        found["mase"] = float(scaled.mean())
    if quantiles is None:
        return found
    level = np.asarray(levels)
    below = truth[..., None] - quantiles
    loss = np.maximum(level * below, (level - 1) * below)[seen]
    inside = (quantiles[..., 0] <= truth) & (truth <= quantiles[..., -1])
    return found | {
        "pinball": float(loss.mean()),
        "coverage": float(inside[seen].mean()),
    }
