"""The season of a series: the number of steps after which it repeats itself."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

# A season shows as a peak of the autocorrelation this high, and this far above the
# lowest value before it: a series that merely changes slowly has no such rise.
LEAST_CORRELATION = 0.3
LEAST_RISE = 0.2
SAME_HEIGHT = 0.1


def autocorrelation(values: np.ndarray, most: int) -> np.ndarray:
    """Correlation of a series with itself, its straight trend removed.

    Args:
        values: `(points,)`.
        most: the longest lag.

    Returns:
        `(most + 1,)`, one at lag 0; divided by the number of all points, so that
        long lags, known from few pairs, weigh less.
    """
    time = np.arange(len(values))
    rest = values - np.polynomial.Polynomial.fit(time, values, 1)(time)
    power = float(rest @ rest)
    # What is left of a straight line is rounding, and no season.
    if power <= 1e-18 * float(values @ values):
        return np.eye(1, most + 1)[0]
    size = 2 * len(values)
    spectrum = np.abs(np.fft.rfft(rest, size)) ** 2
    return np.fft.irfft(spectrum, size)[: most + 1] / power


def find_season(values: np.ndarray, cycles: Iterable[int] = ()) -> tuple[int, str]:
    """The season that a series shows.

    Cycles of the calendar come first; where none shows, the first high peak of the
    autocorrelation counts.

    Args:
        values: `(points,)`, the training part.
        cycles: candidates, in steps.

    Returns:
        The season in steps and how it was found; 1 where the series shows none.
    """
    most = len(values) // 2
    if most < 6:
        return 1, "none: the training part is too short to show one"
    correlation = autocorrelation(values, most)
    # Chance alone correlates a short series with itself by 1 / sqrt(points) or so.
    least = max(LEAST_CORRELATION, 3 / len(values) ** 0.5)

    def shows(lag: int) -> bool:
        rise = correlation[lag] - correlation[1:lag].min()
        return bool(correlation[lag] >= least and rise >= LEAST_RISE)

    shown = [c for c in cycles if 2 <= c <= most and shows(c)]
    if shown:
        best = max(shown, key=lambda c: correlation[c])
        return best, "a cycle of the calendar that the training part shows"
    lags = np.arange(2, len(values) // 3)
    height = correlation[lags]
    peaks = (height > correlation[lags - 1]) & (height >= correlation[lags + 1])
    high = [int(lag) for lag in lags[peaks] if shows(int(lag))]
    if high:
        # A season's multiples are peaks nearly as high, and noise splits a peak in
        # several: take the highest of those close to the first high one.
        top = max(correlation[lag] for lag in high)
        first = next(lag for lag in high if correlation[lag] >= top - SAME_HEIGHT)
        near = [lag for lag in high if lag <= 1.3 * first]
        best = max(near, key=lambda lag: correlation[lag])
        return best, "the first high peak of the training part's autocorrelation"
    return 1, "none: the training part does not repeat itself"
