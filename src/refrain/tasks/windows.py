"""Cuts a series into windows, split in time, scaled by what is known at each one.

A window of `window` values is read, the next `horizon` values are forecast, all at
once. Training, validation and test parts follow each other in time; a window belongs
to the part that holds all its targets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refrain.errors import DataError
from refrain.tasks.season import find_season
from refrain.tasks.series import Series

TEST_SHARE, VALIDATION_SHARE = 0.2, 0.15
LEAST_TRAINING_WINDOWS, LEAST_WINDOW = 8, 2
LONGEST_DEFAULT_HORIZON, LONGEST_DEFAULT_WINDOW = 24, 96

# More than these change the errors little and the time much.
MOST_TEST_WINDOWS = 10_000


@dataclass(frozen=True)
class Frame:
    """How a series is cut.

    Attributes:
        window: steps read.
        horizon: steps forecast.
        season: steps after which the series repeats itself; 1 for none.
        season_from: how the season was found.
        train_end: first point of the validation part.
        validation_end: first point of the test part.
        points: of the whole series.
    """

    window: int
    horizon: int
    season: int
    season_from: str
    train_end: int
    validation_end: int
    points: int


@dataclass(frozen=True)
class Part:
    """Windows of one part of a series.

    Attributes:
        origins: index of the first target of each window, `(windows,)`.
        inputs: float32 `(windows, window, channels)`.
        targets: float32 `(windows, horizon)`, scaled.
        last: the last value read, `(windows, 1)`, in the series' unit.
        scale: what one unit of `targets` stands for, `(windows, 1)`.
    """

    origins: np.ndarray
    inputs: np.ndarray
    targets: np.ndarray
    last: np.ndarray
    scale: np.ndarray

    def __len__(self) -> int:
        return len(self.origins)

    def restore(self, scaled: np.ndarray) -> np.ndarray:
        """Scaled forecasts `(windows, horizon)` in the series' unit, float64."""
        return self.last + self.scale * scaled.astype(float)


def frame(
    series: Series,
    season: int | None = None,
    horizon: int | None = None,
    window: int | None = None,
) -> Frame:
    """Choose what is not given, and check that the series is long enough.

    Without `season` the training part shows it. Without `horizon`: a season of up to
    24 steps, or else 12. Without `window`: two seasons of up to 48 steps, or else 48.
    A short series gets a shorter horizon (a twelfth of it) and window (a sixth).

    Raises:
        DataError: too few points; the message says how many are needed, and which
            option to lower.
    """
    points = len(series)
    early = _train_end(points, horizon or 1)
    why = "given"
    if season is None:
        season, why = find_season(series.values[: max(early, 0)], series.cycles)
    if horizon is None:
        usual = season if 2 <= season <= LONGEST_DEFAULT_HORIZON else 12
        horizon = max(1, min(usual, points // 12))
    if window is None:
        usual = 2 * season if 2 <= season <= LONGEST_DEFAULT_WINDOW // 2 else 48
        window = max(LEAST_WINDOW, min(usual, points // 6))
    train_end = _train_end(points, horizon)
    _check_length(points, train_end, window, horizon)
    if train_end < 2 * season:
        raise DataError(
            f"the training part has {train_end:,} points; a season of {season} needs "
            f"at least {2 * season:,}; lower --season"
        )
    validation_end = points - _share(points, TEST_SHARE, horizon)
    return Frame(window, horizon, season, why, train_end, validation_end, points)


def _share(points: int, share: float, horizon: int) -> int:
    return max(round(share * points), horizon)


def _train_end(points: int, horizon: int) -> int:
    held_out = _share(points, TEST_SHARE, horizon)
    return points - held_out - _share(points, VALIDATION_SHARE, horizon)


def _check_length(points: int, train_end: int, window: int, horizon: int) -> None:
    needed = window + horizon - 1 + LEAST_TRAINING_WINDOWS
    if train_end >= needed:
        return
    whole = points
    while _train_end(whole, horizon) < needed:
        whole += 1
    options = {"--window": window > LEAST_WINDOW, "--horizon": horizon > 1}
    lower = " or ".join(option for option, possible in options.items() if possible)
    raise DataError(
        f"the series is too short: a window of {window} and a horizon of {horizon} "
        f"need at least {whole:,} points, found {points:,}; give a longer series"
        + (f", or lower {lower}" if lower else "")
    )


class Windows:
    """Windows of one series, scaled alike.

    Three rules make a window's numbers. Its values are taken relative to the last
    one and divided by the window's own standard deviation, so that a trend or a
    growing swing leaves the range of what was trained; the deviation is at least a
    tenth of the training part's. A second channel gives the level: the value
    standardised by the training part's mean and deviation, clipped to its range. With
    a season, two more give its phase, as sine and cosine.
    """

    def __init__(self, series: Series, cut: Frame):
        self.series = series
        self.cut = cut
        training = series.values[: cut.train_end]
        self.mean, self.deviation = float(training.mean()), float(training.std())
        if self.deviation <= 1e-12 * max(1e-300, float(np.abs(training).max())):
            raise DataError(
                f"{series.name!r}: the training part, the first {cut.train_end:,} "
                f"points, is constant ({training[0]:g}); there is nothing to learn "
                "from it; choose another stretch"
            )
        level = (training - self.mean) / self.deviation
        self.lowest, self.highest = float(level.min()), float(level.max())

    def training(self, most: int) -> Part:
        """Windows of the training part, at most so many (0: all), spread evenly."""
        first = self.cut.window
        return self.part(thin(self._known(first, self.cut.train_end), most))

    def validation(self, most: int) -> Part:
        """Windows whose targets lie in the validation part, at most so many."""
        origins = self._known(self.cut.train_end, self.cut.validation_end)
        return self.part(thin(origins, most))

    def test(self) -> Part:
        """Windows whose targets lie in the test part, at most 10,000."""
        origins = self._known(self.cut.validation_end, self.cut.points)
        return self.part(thin(origins, MOST_TEST_WINDOWS))

    def blocks(self, most: int) -> Part:
        """The last windows of the test part that follow each other without overlap."""
        horizon, end = self.cut.horizon, self.cut.points
        known = self._known(self.cut.validation_end, end)
        return self.part(known[(end - known) % horizon == 0][-most:])

    def _known(self, first: int, end: int) -> np.ndarray:
        """Origins of windows with targets in `first..end` that look ahead nowhere.

        A value filled in before the origin owes something to the next observed one:
        a window may end only on an observed value.
        """
        origins = np.arange(max(first, self.cut.window), end - self.cut.horizon + 1)
        origins = origins[self.series.observed[origins - 1]]
        if not origins.size:
            raise DataError(
                f"{self.series.name!r}: no window ends on an observed value between "
                f"points {first:,} and {end:,}; choose a stretch with fewer gaps, or "
                "lower --horizon"
            )
        return origins

    def part(self, origins: np.ndarray) -> Part:
        """Windows whose first targets have these indices, `(windows,)`."""
        cut, values = self.cut, self.series.values
        read = origins[:, None] + np.arange(-cut.window, 0)
        seen, last = values[read], values[origins - 1][:, None]
        scale = np.maximum(seen.std(axis=1, keepdims=True), 0.1 * self.deviation)
        level = (seen - self.mean) / self.deviation
        channels = [(seen - last) / scale, np.clip(level, self.lowest, self.highest)]
        if cut.season > 1:
            phase = 2 * np.pi * (read % cut.season) / cut.season
            channels += [np.sin(phase), np.cos(phase)]
        targets = (values[self.target_index(origins)] - last) / scale
        inputs = np.stack(channels, axis=-1).astype(np.float32)
        return Part(origins, inputs, targets.astype(np.float32), last, scale)

    def target_index(self, origins: np.ndarray) -> np.ndarray:
        """Index of each target in the series, `(windows, horizon)`."""
        return origins[:, None] + np.arange(self.cut.horizon)


def thin(origins: np.ndarray, most: int) -> np.ndarray:
    """At most so many origins, spread evenly; 0 keeps all."""
    if not most or len(origins) <= most:
        return origins
    return origins[np.linspace(0, len(origins) - 1, most).round().astype(int)]
