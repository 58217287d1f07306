"""Reads a time column and lays its points on an even grid of steps.

Rows that are absent from an evenly spaced file become gaps of the series, so that a
step is always the same stretch of time.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from refrain.errors import DataError
from refrain.tasks.table import is_missing, is_numeric

# Of a column's values: where fewer are dates, it is none of dates.
MOST = 0.9
# Of a step; times that are further from an even grid are taken as uneven.
MOST_JITTER = 0.01

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400

_YEAR = re.compile(r"(?<!\d)[12]\d{3}(?!\d)")

# As pandas reads dates: ISO, the month first, the day first.
_FORMS: tuple[dict[str, Any], ...] = ({"format": "ISO8601"}, {}, {"dayfirst": True})

# Steps of the calendar that differ in length: the spacing in days at least and at
# most, months, name, and the points after which such a series may repeat itself.
_UNEVEN = (
    (28, 31, 1, "month", (12,)),
    (89, 92.5, 3, "quarter", (4,)),
    (365, 366, 12, "year", ()),
)


@dataclass(frozen=True)
class Clock:
    """Where the rows of a table stand in time.

    Attributes:
        times: time of each point of the grid, `(points,)`; dates, or numbers.
        order: the row of the table that comes k-th in time, `(rows,)`.
        places: the point of the grid for each of those rows, `(rows,)`, increasing.
        step: what lies between two points: "month", "day", "30 minutes", "step".
        cycles: numbers of points after which the calendar repeats itself.
        notes: what was done to the rows, for the user.
    """

    times: np.ndarray
    order: np.ndarray
    places: np.ndarray
    step: str
    cycles: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def lay(self, values: np.ndarray, absent: Any = np.nan) -> np.ndarray:
        """Values of the rows on the grid, `(points,)`; `absent` where there is none."""
        laid = np.full(len(self.times), absent, values.dtype)
        laid[self.places] = values[self.order]
        return laid


def looks_like_dates(text: pd.Series) -> bool:
    """Whether a column of text holds dates, each with a year of four digits."""
    if is_numeric(text) or not text.str.contains(_YEAR).all():
        return False
    return bool(_readings(text))


def nearly_dates(text: pd.Series) -> bool:
    """Whether a column of text would hold dates but for a few values."""
    with_year = text.str.contains(_YEAR)
    if is_numeric(text) or with_year.mean() < MOST:
        return False
    return bool(np.mean(~_unread_rows(text)) >= MOST)


def read_clock(text: pd.Series, name: str, advice: str = "keep one series") -> Clock:
    """Read a time column of dates or of numbers.

    Args:
        text: the column.
        name: of the column.
        advice: what to do where a time occurs twice.

    Raises:
        DataError: a time is missing, cannot be read or occurs twice, or more than
            half of the evenly spaced points are absent.
    """
    missing = np.flatnonzero(is_missing(text))
    if missing.size:
        raise DataError(
            f"time column {name!r}: no value in data row {missing[0] + 1}; every row "
            "needs its time"
        )
    dates = not is_numeric(text)
    times = _read_dates(text, name) if dates else text.astype(float).to_numpy()
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    same = np.flatnonzero(ordered[1:] == ordered[:-1])
    if same.size:
        raise DataError(
            f"time column {name!r}: {text.iloc[order[same[0]]]!r} occurs more than "
            f"once; expected one row for each time; {advice}"
        )
    notes = ()
    if not np.array_equal(order, np.arange(len(order))):
        notes = (f"rows put in order of {name!r}",)
    grid = _grid(ordered, dates) if len(ordered) > 2 else None
    if grid is None:
        note = f"the spacing of {name!r} is uneven: points are taken as one step apart"
        places = np.arange(len(ordered))
        return Clock(ordered, order, places, "step", (), (*notes, note))
    times, places, step, cycles = grid
    absent = len(times) - len(places)
    if absent:
        verb = "is" if absent == 1 else "are"
        notes += (
            f"{absent:,} of {len(times):,} rows {verb} absent (one every {step})",
        )
    return Clock(times, order, places, step, cycles, notes)


def _read_dates(text: pd.Series, name: str) -> np.ndarray:
    readings = _readings(text)
    if not readings:
        row = int(np.flatnonzero(_unread_rows(text))[0])
        raise DataError(
            f"time column {name!r}: expected dates such as 2024-01-31 or numbers, "
            f"received {text.iloc[row]!r} in data row {row + 1}"
        )
    # Of 1/2 as January or February, the reading that runs forward is the right one.
    forward = [r for r in readings if (np.diff(r).astype(int) > 0).all()]
    return (forward or readings)[0]


def _readings(text: pd.Series) -> list[np.ndarray]:
    """All ways to read a column as dates."""
    readings = []
    for option in _FORMS:
        try:
            read = _read_form(text, option)
        except (ValueError, OverflowError):
            continue
        readings.append(read.dt.tz_localize(None).to_numpy("datetime64[us]"))
    return readings


def _read_form(text: pd.Series, option: Mapping[str, Any]) -> pd.Series:
    with warnings.catch_warnings():
        # pandas warns about a guessed order of day and month.
        warnings.simplefilter("ignore")
        return pd.to_datetime(text, utc=True, **option)


def _unread_rows(text: pd.Series) -> np.ndarray:
    """The rows that the way to read a column which reads the most cannot read."""
    numbers = np.asarray(pd.to_numeric(text, errors="coerce"), float)
    dates = [_read_form(text, {**form, "errors": "coerce"}) for form in _FORMS]
    ways = [*(np.asarray(read.isna()) for read in dates), np.isnan(numbers)]
    return min(ways, key=np.count_nonzero)


def find_dates(columns: Mapping[str, pd.Series], names: Iterable[str]) -> str | None:
    """The first of the named columns that holds dates, a few values apart."""
    names = list(names)
    for holds in (looks_like_dates, nearly_dates):
        for name in names:
            if holds(columns[name]):
                return name
    return None


_Grid = tuple[np.ndarray, np.ndarray, str, tuple[int, ...]]


def _grid(times: np.ndarray, dates: bool) -> _Grid | None:
    """An even grid under ordered times; None where they are not even.

    Returns:
        Times of the grid, place of each row on it, name of the step, cycles.
    """
    offsets = times - times[0]
    if dates:
        offsets = offsets / np.timedelta64(1, "s")
    spacing = float(np.median(np.diff(offsets)))
    for low, high, months, step, cycles in _UNEVEN if dates else ():
        if low * DAY_S <= spacing <= high * DAY_S:
            counts = times.astype("datetime64[M]").astype(int) // months
            places = counts - counts[0]
            if not _is_even(places):
                return None
            grid = (np.arange(places[-1] + 1) + counts[0]) * months
            return grid.astype("datetime64[M]"), places, step, cycles
    places = np.rint(offsets / spacing).astype(int)
    far = np.abs(offsets / spacing - places).max() > MOST_JITTER
    if far or not _is_even(places):
        return None
    count = np.arange(places[-1] + 1)
    if not dates:
        return times[0] + spacing * count, places, "step", ()
    grid = times[0] + count * np.timedelta64(round(spacing * 1e6), "us")
    for unit in ("D", "m", "s"):
        if (grid == grid.astype(f"datetime64[{unit}]")).all():
            grid = grid.astype(f"datetime64[{unit}]")
            break
    return grid, places, *_even_step(spacing)


def _is_even(places: np.ndarray) -> bool:
    """Whether each row has a place of its own; refuses a grid that is mostly empty."""
    points, rows = int(places[-1]) + 1, len(places)
    if (np.diff(places) < 1).any():
        return False
    if rows < points / 2:
        raise DataError(
            f"{points - rows:,} of {points:,} evenly spaced points are absent from "
            "the file; expected at least half of them; choose a denser stretch or "
            "average over longer steps"
        )
    return True


def _even_step(spacing_s: float) -> tuple[str, tuple[int, ...]]:
    """Name of a step of so many seconds, and the calendar's cycles in such steps."""
    if spacing_s == 7 * DAY_S:
        return "week", (52,)
    cycles_s = (HOUR_S, DAY_S, 7 * DAY_S, 365 * DAY_S)
    whole = [c for c in cycles_s if c > spacing_s and c % spacing_s == 0]
    cycles = tuple(int(c // spacing_s) for c in whole)
    for size_s, unit in ((DAY_S, "day"), (HOUR_S, "hour"), (MINUTE_S, "minute")):
        number, rest = divmod(spacing_s, size_s)
        if number and not rest:
            return (unit if number == 1 else f"{number:.0f} {unit}s"), cycles
    return ("second" if spacing_s == 1 else f"{spacing_s:g} seconds"), cycles
