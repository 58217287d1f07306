"""One series as every forecast needs it: even steps, no gaps, and what was done.

Comes from a column of a user's table or from a package that ships real series.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from refrain.errors import DataError
from refrain.tasks.clock import Clock
from refrain.words import counted


@dataclass(frozen=True)
class Series:
    """Numbers one step apart.

    Attributes:
        name: the quantity, for tables and axes, with its unit where it is known.
        source: where it comes from: a file, or a package and its data set.
        values: `(points,)`, float64, gaps filled in.
        observed: `(points,)`, false where a value was filled in.
        times: `(points,)`, dates or numbers; None without a time column.
        step: what lies between two points ("month", "day", "step").
        cycles: numbers of points after which the calendar repeats itself.
        notes: what was done to the data, for the user.
    """

    name: str
    source: str
    values: np.ndarray
    observed: np.ndarray
    times: np.ndarray | None = None
    step: str = "step"
    cycles: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)


def clean(
    name: str, source: str, values: np.ndarray, clock: Clock | None = None
) -> Series:
    """Lay values on their steps and fill the gaps.

    Values missing before the first and after the last observed one are cut off;
    those between are interpolated linearly and marked as not observed.

    Args:
        name: of the quantity.
        source: where it comes from.
        values: `(rows,)`, NaN where missing.
        clock: where the rows stand in time; without it, one step apart.

    Raises:
        DataError: no value, most values missing, or all values the same.
    """
    notes: tuple[str, ...] = ()
    times, step, cycles = None, "step", ()
    if clock:
        times, step, cycles, notes = clock.times, clock.step, clock.cycles, clock.notes
        values = clock.lay(values)
    known = np.flatnonzero(~np.isnan(values))
    if not known.size:
        raise DataError(f"{name!r}: expected numbers, every value is missing")
    inside = slice(known[0], known[-1] + 1)
    cut = len(values) - (inside.stop - inside.start)
    values = values[inside]
    times = times[inside] if times is not None else None
    observed = ~np.isnan(values)
    gaps = int((~observed).sum())
    _check(name, values, gaps)
    if cut:
        notes += (f"{counted(cut, 'missing value')} at the ends cut off",)
    if gaps:
        missing = counted(gaps, "missing value")
        share = f"{100 * gaps / len(values):.1f} %"
        notes += (f"{missing} ({share}) interpolated; errors leave them out",)
        index = np.arange(len(values))
        values = np.interp(index, index[observed], values[observed])
    return Series(name, source, values, observed, times, step, cycles, notes)


def _check(name: str, values: np.ndarray, gaps: int) -> None:
    if gaps > len(values) / 2:
        raise DataError(
            f"{name!r}: {gaps:,} of {len(values):,} values are missing; expected at "
            "least half of them; choose a denser stretch or average over longer steps"
        )
    if np.nanmin(values) == np.nanmax(values):
        raise DataError(
            f"{name!r} is constant: every value is {np.nanmin(values):g}; there is "
            "nothing to forecast"
        )


def bundled_series() -> Series:
    """Monthly sea surface temperature off Peru, 1950-2010, shipped by statsmodels.

    The El Niño region 1+2 of ERSST v3b, from the US National Oceanic and Atmospheric
    Administration; 732 points, in °C, in the public domain.
    """
    from statsmodels.datasets import elnino

    table = np.asarray(elnino.load_pandas().data, dtype=float)  # year, 12 months
    values = table[:, 1:].ravel()
    first = np.datetime64(f"{table[0, 0]:.0f}-01", "M")
    times = first + np.arange(len(values))
    series = clean("sea surface temperature (°C)", "statsmodels: El Niño 1+2", values)
    return replace(series, times=times, step="month", cycles=(12,))
