"""What a forecasting network reads and learns: windows of many series, as arrays.

A window of the past and what is known in advance enter; what leaves is the distance of
each value of the horizon from a plain forecast, so that a network that has learnt
nothing forecasts as that does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refrain.errors import DataError
from refrain.tasks.baselines import naive, seasonal_naive
from refrain.tasks.forecast.panel import Member
from refrain.tasks.forecast.scaling import Code, Scaling, calendar
from refrain.words import counted

# Of uneven times, so many of the last spaces tell how later ones are spaced.
SPACES = 8


@dataclass(frozen=True)
class Layout:
    """What all windows of a forecaster have in common.

    Attributes:
        window: steps read.
        horizon: steps forecast.
        season: steps after which the series repeat themselves; 1 for none.
        lags: steps back from a value of the horizon at which an earlier one tells of
            it, seasons and cycles of the calendar.
        reference: the plain forecast, "last" value or "seasonal".
        gaps: whether a channel tells which values were observed.
        cycles: of the calendar, which have channels.
        past, future, static: codes of the covariates.
        names: of series that have a channel each.
    """

    window: int
    horizon: int
    season: int
    lags: tuple[int, ...]
    reference: str
    gaps: bool
    cycles: tuple[str, ...]
    past: tuple[Code, ...] = ()
    future: tuple[Code, ...] = ()
    static: tuple[Code, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def first(self) -> int:
        """The first point that can be forecast."""
        return max(self.window, self.season if self.reference == "seasonal" else 1)


@dataclass(frozen=True)
class Track:
    """A series, scaled, beside all that a network may read with it.

    Attributes:
        name: of the series.
        scaling: of its values.
        unit: mean error of the plain forecast on the training part, scaled.
        values: `(points,)` float64, in the series' unit, gaps filled.
        observed: `(points,)`.
        times: `(points,)`, dates or numbers, or None.
        past: `(points, channels)` float32.
        known: `(points or more, channels)` float32, what is known in advance.
    """

    name: str
    scaling: Scaling
    unit: float
    values: np.ndarray
    observed: np.ndarray
    times: np.ndarray | None
    past: np.ndarray
    known: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def tail(self, points: int) -> Track:
        """The last points, and what is known after them."""
        first = max(0, len(self) - points)
        return Track(
            self.name,
            self.scaling,
            self.unit,
            self.values[first:],
            self.observed[first:],
            None if self.times is None else self.times[first:],
            self.past[first:],
            self.known[first:],
        )


def check_known(track: Track, layout: Layout) -> None:
    """Whether what is known in advance of a track reaches over the horizon.

    Raises:
        DataError: it does not.
    """
    ahead = track.known[len(track) : len(track) + layout.horizon]
    if np.isnan(ahead).any():
        names = ", ".join(code.name for code in layout.future)
        raise DataError(
            f"series {track.name!r}: expected {counted(layout.horizon, 'row')} after "
            f"the last value, with what is known in advance ({names}); give a table "
            "that ends with them"
        )


def later_times(times: np.ndarray, steps: int) -> np.ndarray:
    """The times that follow the last one, where the grid is not even as far apart as
    the last ones usually are.
    """
    apart = np.sort(np.diff(times[-1 - SPACES :]))
    step = apart[len(apart) // 2] if len(apart) else 1
    return times[-1] + step * np.arange(1, steps + 1)


def make_track(member: Member, layout: Layout, scaling: Scaling, unit: float) -> Track:
    """Lay the channels of a series side by side; see `Track`."""
    series = member.series
    points, ahead = len(series), layout.horizon
    times = series.times
    if times is not None:
        times = np.concatenate([times, later_times(times, ahead)])
    dates = times if times is not None and times.dtype.kind == "M" else None
    if dates is None and layout.cycles:
        raise DataError(
            f"{series.name!r} has no dates, which the forecaster was trained with"
        )
    fixed = [
        code.apply(np.array([member.static.get(code.name, "")], object))
        if code.words
        else code.apply(_number(member.static.get(code.name, "")))
        for code in layout.static
    ]
    fixed.append(
        (np.array([layout.names]) == series.name).astype(np.float32)
        if layout.names
        else np.zeros((1, 0), np.float32)
    )
    whole = points + ahead
    known = [calendar(dates, layout.cycles, whole)]
    for code in layout.future:
        found = code.apply(_covariate(member.future, code.name))[:whole]
        short = np.full((whole - len(found), code.channels), np.nan, np.float32)
        known.append(np.concatenate([found, short]))
    known.append(np.repeat(np.concatenate(fixed, axis=1), whole, axis=0))
    past = [code.apply(_covariate(member.past, code.name)) for code in layout.past]
    past.append(np.zeros((points, 0), np.float32))
    return Track(
        series.name,
        scaling,
        unit,
        series.values,
        series.observed,
        series.times,
        np.concatenate(past, axis=1),
        np.concatenate(known, axis=1),
    )


def _covariate(found: dict | object, name: str) -> np.ndarray:
    try:
        return found[name]  # pyright: ignore[reportIndexIssue]
    except KeyError:
        raise DataError(
            f"no covariate {name!r}, which the forecaster was trained with"
        ) from None


def _number(text: str) -> np.ndarray:
    try:
        return np.array([float(text)])
    except ValueError:
        return np.array([np.nan])


def known_origins(track: Track, layout: Layout, first: int, end: int) -> np.ndarray:
    """Origins of all windows with values to forecast in `first..end`.

    A window ends on an observed value, for one that was filled in owes something to
    the next one.
    """
    origins = np.arange(max(first, layout.first), end - layout.horizon + 1)
    return origins[track.observed[origins - 1]]


def thin(origins: np.ndarray, most: int) -> np.ndarray:
    """At most so many origins, spread evenly; 0 keeps all."""
    if not most or len(origins) <= most:
        return origins
    return origins[np.linspace(0, len(origins) - 1, most).round().astype(int)]


@dataclass(frozen=True)
class Samples:
    """Windows as arrays.

    Attributes:
        past: float32 `(windows, window, channels)`.
        ahead: float32 `(windows, horizon, channels)`.
        targets: float32 `(windows, horizon)`, NaN where no value was observed.
        base: the plain forecast, `(windows, horizon)`, scaled as the series is.
        unit: what one of `targets` stands for, `(windows, 1)`.
    """

    past: np.ndarray
    ahead: np.ndarray
    targets: np.ndarray
    base: np.ndarray
    unit: np.ndarray

    def __len__(self) -> int:
        return len(self.past)

    def restore(self, outputs: np.ndarray) -> np.ndarray:
        """Outputs `(windows, horizon, quantiles)` as scaled values."""
        return self.base[..., None] + self.unit[..., None] * outputs.astype(float)


def cut_samples(track: Track, origins: np.ndarray, layout: Layout) -> Samples:
    """The windows of a track whose first values to forecast have these indices."""
    horizon, points = layout.horizon, len(track)
    z = track.scaling.scale(track.values)
    read = origins[:, None] + np.arange(-layout.window, 0)
    aim = origins[:, None] + np.arange(horizon)
    last = z[origins - 1][:, None]
    reference = plain_forecast(z, origins, layout)
    channels = [
        (z[read] - last) / track.unit,
        np.clip(z[read], track.scaling.lowest, track.scaling.highest),
    ]
    if layout.season > 1:
        channels.append((z[read] - _earlier(z, read, layout.season)) / track.unit)
    if layout.gaps:
        channels.append(track.observed[read])
    past = [np.stack(channels, axis=-1), track.past[read], track.known[read]]
    steps = np.broadcast_to(np.arange(1, horizon + 1) / horizon, aim.shape)
    ahead = [(reference - last) / track.unit, steps]
    for lag in layout.lags:
        # As many whole cycles back as it takes to be before the origin.
        back = lag * (1 + np.arange(horizon) // lag)
        ahead.append((_earlier(z, aim, back, last) - last) / track.unit)
    inside = np.minimum(aim, points - 1)
    seen = (aim < points) & track.observed[inside]
    targets = np.where(seen, (z[inside] - reference) / track.unit, np.nan)
    return Samples(
        np.concatenate(past, axis=-1, dtype=np.float32),
        np.concatenate(
            [np.stack(ahead, axis=-1), track.known[aim]], axis=-1, dtype=np.float32
        ),
        targets.astype(np.float32),
        reference,
        np.full((len(origins), 1), track.unit),
    )


def plain_forecast(z: np.ndarray, origins: np.ndarray, layout: Layout) -> np.ndarray:
    """What outputs are distances from, `(windows, horizon)`."""
    if layout.reference == "last":
        return naive(z, origins, layout.horizon)
    return seasonal_naive(z, origins, layout.horizon, layout.season)


def _earlier(
    z: np.ndarray,
    index: np.ndarray,
    back: int | np.ndarray,
    absent: np.ndarray | None = None,
) -> np.ndarray:
    """Values so many steps before; where there are none, those of `absent`, or now."""
    before = index - back
    otherwise = z[index] if absent is None else absent
    return np.where(before >= 0, z[np.maximum(before, 0)], otherwise)


def join(parts: Sequence[Samples]) -> Samples:
    """The windows of several tracks as one."""
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return Samples(*(np.concatenate(column) for column in columns))
