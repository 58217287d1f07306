"""Chooses what a forecaster is not told: parts, horizon, window, season, lags, scale.

All of it from the training part of each series alone.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refrain.errors import DataError
from refrain.tasks.forecast.panel import Member
from refrain.tasks.forecast.samples import Layout, Track, make_track, plain_forecast
from refrain.tasks.forecast.scaling import Scaling, find_calendar, fit_code, fit_scaling
from refrain.tasks.season import find_season
from refrain.words import counted

LEAST_TRAINING_WINDOWS, LEAST_WINDOW = 8, 2
LONGEST_DEFAULT_HORIZON, LONGEST_DEFAULT_WINDOW = 48, 96
# Series whose season is looked for, and series that get a channel each.
ASKED_FOR_SEASON, NAMED = 20, 32
LONGEST_LAG = 2000


@dataclass(frozen=True)
class Ends:
    """The parts of a series.

    Attributes:
        train: first point of the validation part.
        validation: first point of the test part.
        points: of the whole series.
    """

    train: int
    validation: int
    points: int


@dataclass(frozen=True)
class Wishes:
    """What is given; None is to be chosen. See `Forecaster` for the meanings."""

    horizon: int | None = None
    window: int | None = None
    season: int | None = None
    scale: str = "auto"
    reference: str = "auto"
    test: float = 0.2
    validation: float = 0.15


@dataclass(frozen=True)
class Design:
    """A layout, and every series with its parts.

    Attributes:
        layout: of all windows.
        tracks: one a series.
        ends: the parts of each.
        season_from: how the season was found.
    """

    layout: Layout
    tracks: tuple[Track, ...]
    ends: tuple[Ends, ...]
    season_from: str

    @property
    def horizons(self) -> int:
        """How often the horizon fits into the validation parts."""
        lengths = (end.validation - end.train for end in self.ends)
        return sum(length // self.layout.horizon for length in lengths)


def make_design(members: Sequence[Member], wishes: Wishes) -> Design:
    """Choose what is not given, and check that the series are long enough.

    Raises:
        DataError: a series is too short; the message says how many points are needed.
    """
    shortest = min(len(m.series) for m in members)
    season, season_from = _season(members, wishes)
    horizon = wishes.horizon or _horizon(members[0], season, shortest)
    window = wishes.window or _window(season, shortest)
    ends = tuple(cut_parts(len(m.series), horizon, wishes) for m in members)
    for member, end in zip(members, ends, strict=True):
        _check_length(member, end, horizon, window)
    # A season that some training part does not contain twice is none of all.
    if season > 1 and min(end.train for end in ends) < 2 * season:
        if wishes.season:
            raise DataError(
                f"a season of {season} needs training parts of {2 * season:,} points "
                f"at least, found {min(e.train for e in ends):,}; lower --season"
            )
        season, season_from = 1, "none: a training part is too short for it"
    log = {"auto": None, "log": True, "linear": False}[wishes.scale]
    parts = [m.series.values[: e.train] for m, e in zip(members, ends, strict=True)]
    if log and min(part.min() for part in parts) <= 0:
        raise DataError("scale log: expected positive values in all training parts")
    scalings = [fit_scaling(part, season, log) for part in parts]
    references = [
        _reference(s.scale(part), season, horizon, wishes.reference)
        for s, part in zip(scalings, parts, strict=True)
    ]
    layout = _layout(
        members, ends, season, horizon, window, statistics.mode(references)
    )
    tracks = tuple(
        make_track(m, layout, s, fit_unit(s.scale(part), layout))
        for m, s, part in zip(members, scalings, parts, strict=True)
    )
    return Design(layout, tracks, ends, season_from)


def cut_parts(points: int, horizon: int, wishes: Wishes) -> Ends:
    """Training, validation and test part follow each other in time."""

    def size(share: float) -> int:
        return max(round(share if share >= 1 else share * points), horizon)

    validation = points - size(wishes.test)
    return Ends(validation - size(wishes.validation), validation, points)


def _season(members: Sequence[Member], wishes: Wishes) -> tuple[int, str]:
    if wishes.season:
        return wishes.season, "given"
    chosen = np.linspace(0, len(members) - 1, min(ASKED_FOR_SEASON, len(members)))
    found = []
    for k in chosen.round().astype(int):
        series = members[k].series
        end = cut_parts(len(series), wishes.horizon or 1, wishes).train
        found.append(find_season(series.values[: max(end, 0)], series.cycles))
    most = statistics.mode(season for season, _ in found)
    return next(f for f in found if f[0] == most)


def _horizon(member: Member, season: int, shortest: int) -> int:
    cycles = (c for c in (season, *member.series.cycles) if c >= 4)
    usual = next((c for c in sorted(cycles) if c <= LONGEST_DEFAULT_HORIZON), 12)
    return max(1, min(usual, shortest // 12))


def _window(season: int, shortest: int) -> int:
    usual = 2 * season if 2 <= season <= LONGEST_DEFAULT_WINDOW // 2 else 48
    return max(LEAST_WINDOW, min(usual, shortest // 6))


def _check_length(member: Member, ends: Ends, horizon: int, window: int) -> None:
    needed = window + horizon - 1 + LEAST_TRAINING_WINDOWS
    if ends.train >= needed:
        return
    options = {"--horizon": horizon > 1, "--window": window > LEAST_WINDOW}
    lower = " or ".join(option for option, possible in options.items() if possible)
    raise DataError(
        f"{member.series.name!r} is too short: a window of {window} and a horizon of "
        f"{horizon} need a training part of {needed:,} points, found "
        f"{max(ends.train, 0):,} of {counted(ends.points, 'point')} in all; give a "
        "longer series" + (f", or lower {lower}" if lower else "")
    )


def _reference(z: np.ndarray, season: int, horizon: int, wish: str) -> str:
    """The plain forecast that errs less on the training part."""
    if wish == "seasonal" and season == 1:
        raise DataError("reference seasonal: the series have no season; give --season")
    if wish != "auto":
        return wish
    errors = {"last": _plain_error(z, "last", season, horizon)}
    if season > 1:
        errors["seasonal"] = _plain_error(z, "seasonal", season, horizon)
    return min(errors, key=lambda name: errors[name])


def _plain_error(z: np.ndarray, reference: str, season: int, horizon: int) -> float:
    bare = Layout(1, horizon, season, (), reference, False, ())
    origins = np.arange(season, len(z) - horizon + 1)
    if not origins.size:
        return float("inf")
    truth = z[origins[:, None] + np.arange(horizon)]
    return float(np.abs(truth - plain_forecast(z, origins, bare)).mean())


def fit_unit(z: np.ndarray, layout: Layout) -> float:
    """Mean error of the plain forecast on scaled training values; 1 if it has none."""
    found = _plain_error(z, layout.reference, layout.season, layout.horizon)
    return found if 1e-9 < found < float("inf") else 1.0


def new_track(member: Member, layout: Layout, end: int, known: Track | None) -> Track:
    """A series that a trained forecaster meets.

    Args:
        member: the series.
        layout: of the forecaster.
        end: the first point that its scale must not depend on.
        known: the track of this name that the forecaster was trained on, whose scale
            counts; None for a new series.
    """
    if known is not None:
        return make_track(member, layout, known.scaling, known.unit)
    scaling: Scaling = fit_scaling(member.series.values[:end], layout.season)
    z = scaling.scale(member.series.values[:end])
    return make_track(member, layout, scaling, fit_unit(z, layout))


def _layout(
    members: Sequence[Member],
    ends: Sequence[Ends],
    season: int,
    horizon: int,
    window: int,
    reference: str,
) -> Layout:
    first, train = members[0], min(end.train for end in ends)
    times = first.series.times
    lags = {c for c in first.series.cycles if 4 <= c <= min(train // 3, LONGEST_LAG)}
    if season > 1:
        lags |= {season, *((2 * season,) if train >= 4 * season else ())}
    pairs = list(zip(members, ends, strict=True))

    def codes(role: str) -> tuple:
        return tuple(
            fit_code(name, (getattr(m, role)[name][: e.train] for m, e in pairs))
            for name in getattr(first, role)
        )

    statics = {
        n: np.array([m.static[n] for m in members], object) for n in first.static
    }
    return Layout(
        window,
        horizon,
        season,
        tuple(sorted(lags)),
        reference,
        any(not m.series.observed[: e.train].all() for m, e in pairs),
        find_calendar(None if times is None else times[: ends[0].train]),
        codes("past"),
        codes("future"),
        tuple(fit_code(name, [values]) for name, values in statics.items()),
        tuple(m.series.name for m in members) if 1 < len(members) <= NAMED else (),
    )
