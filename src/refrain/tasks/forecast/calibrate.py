"""Moves quantiles so that they hold on values that the network has not learnt from.

Conformalised quantile regression (Romano, Patterson and Candès 2019, arXiv 1905.03222),
each quantile and each step of the horizon by itself, on the validation part alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def fit_shift(
    quantiles: np.ndarray, truth: np.ndarray, levels: Sequence[float], apart: int
) -> np.ndarray:
    """How far each quantile has to move at each step.

    Of n values and the one to come, each is equally likely to be the k-th, so that a
    quantile of level p is the one of rank (n + 1) p among n. Windows that overlap share
    most of their values; n counts those that do not.

    Args:
        quantiles: `(windows, horizon, levels)` of the validation part.
        truth: `(windows, horizon)`, NaN where no value was observed.
        levels: of the quantiles; the median stays where it is.
        apart: windows that do not overlap.

    Returns:
        `(horizon, levels)`, to be added. Where n does not suffice for a level, the
        quantile moves to the farthest value, and outwards alone.
    """
    shift = np.zeros(quantiles.shape[1:])
    seen = ~np.isnan(truth).all(axis=0)
    for k, level in enumerate(levels):
        if level == 0.5:
            continue
        outwards = 1 if level > 0.5 else -1
        short = outwards * (truth[:, seen] - quantiles[:, seen, k])
        share = max(level, 1 - level) * (1 + 1 / apart)
        moved = np.nanquantile(short, min(share, 1.0), axis=0, method="inverted_cdf")
        if share > 1 + 1e-9:
            moved = np.maximum(moved, 0.0)
        shift[seen, k] = outwards * moved
    return shift


def apply_shift(
    outputs: np.ndarray, shift: np.ndarray, levels: Sequence[float]
) -> np.ndarray:
    """Quantiles `(windows, horizon, levels)` moved, in rising order.

    Nothing but training keeps quantiles from crossing; put in order they err less
    (Chernozhukov et al. 2010, doi:10.3982/ECTA7880). The median then stays where it is,
    and pushes away those that were moved past it.
    """
    moved = np.sort(outputs, axis=-1) + shift
    middle = list(levels).index(0.5)
    above = np.maximum.accumulate(moved[..., middle:], axis=-1)
    below = np.minimum.accumulate(moved[..., middle::-1], axis=-1)
    return np.concatenate([below[..., :0:-1], above], axis=-1)


def advice(levels: Sequence[float], apart: int) -> tuple[str, ...]:
    """What to tell of intervals that so few windows cannot calibrate; one or none."""
    farthest = max(max(level, 1 - level) for level in levels)
    needed = math.ceil(farthest / (1 - farthest) - 1e-9)
    if apart >= needed or len(levels) == 1:
        return ()
    width = 100 * (levels[-1] - levels[0])
    told = (
        f"the {width:.0f} % interval needs a validation part of {needed} horizons, "
        f"found {apart}: expect it to cover less than it says"
    )
    return (told,)
