"""One or many series from one table, each with what else is known of it.

A wide table has one row for each time and a column for each series; a long one has a
row for each time of each series, and a column that tells the series apart.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from refrain.errors import DataError
from refrain.tasks.clock import Clock, find_dates, read_clock
from refrain.tasks.series import Series, clean
from refrain.tasks.table import (
    Table,
    as_table,
    choose_column,
    choose_target,
    is_missing,
    is_numeric,
    read_table,
    to_numbers,
)
from refrain.words import counted, listed

# Names that a long table and its parts usually have.
ID, TIME, TARGET = "unique_id", "ds", "y"
# Where a time occurs twice in a table without a column of series.
ONE_OF_MANY = "if a column tells several series apart, name it with --series"
# Notes of many series are told up to here.
MOST_NOTES = 8
PARTS_OF_TIME = ("year", "month", "day", "hour", "minute")


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are what; names separated by commas.

    Attributes:
        target: the columns to forecast, or "all" for every numeric one left; without
            it `y` of a long table, or the only numeric column.
        time: dates or numbers, or the parts of a date, such as `year,month,day`;
            without it the first column of dates.
        series: tells the series of a long table apart; without it `unique_id`.
        past: covariates that are known up to now.
        future: covariates that are known in advance.
        static: covariates that are the same for all rows of a series.
    """

    target: str | None = None
    time: str | None = None
    series: str | None = None
    past: str | None = None
    future: str | None = None
    static: str | None = None

    def names(self, role: str, table: Table) -> tuple[str, ...]:
        """The names that a role lists, or one name that has a comma."""
        given = getattr(self, role) or ""
        if given in table:
            return (given,)
        return tuple(name.strip() for name in given.split(",") if name.strip())


@dataclass(frozen=True)
class Member:
    """A series of a panel.

    Attributes:
        series: the values to forecast, from the first to the last observed one.
        past, future: covariates by name, numbers or texts, one a point from the first
            point of the series on; those known in advance may go on behind its end.
        static: texts by name.
    """

    series: Series
    past: Mapping[str, np.ndarray] = field(default_factory=dict)
    future: Mapping[str, np.ndarray] = field(default_factory=dict)
    static: Mapping[str, str] = field(default_factory=dict)


def read_panel(
    data: Any, columns: Columns, *, alone: bool = False
) -> tuple[Member, ...]:
    """Read all series of a file or of a table in memory.

    Args:
        data: path of a CSV or Parquet file, a pandas DataFrame or Series, or values
            `(points,)`, one step apart.
        columns: what the columns are.
        alone: whether there may be but one series, and no column beside it has a role.

    Raises:
        DataError: the table, a column or a series cannot be used.
    """
    if isinstance(data, (str, os.PathLike)):
        table, source = read_table(data), Path(data).name
    else:
        table, source = as_table(data), "data"
    roles = _resolve(table, columns)
    notes = () if alone else _idle_note(table, roles)
    advice = "keep one series" if alone else ONE_OF_MANY
    members = tuple(_members(table, roles, source, notes, advice))
    if alone and len(members) > 1:
        names = listed(m.series.name for m in members)
        raise DataError(f"{source}: expected one series, found {names}; keep one")
    steps = sorted({m.series.step for m in members})
    if len(steps) > 1:
        raise DataError(
            f"{source}: the series have different steps ({', '.join(steps)}); expected "
            "one for all; fit them one by one"
        )
    return members


def all_notes(members: Sequence[Member]) -> tuple[str, ...]:
    """What was done to the series, each note once with the series that it is of."""
    of: dict[str, list[str]] = {}
    for member in members:
        for note in member.series.notes:
            of.setdefault(note, []).append(member.series.name)
    told = [
        note if len(names) == len(members) else f"{listed(names, 3)}: {note}"
        for note, names in of.items()
    ]
    more = len(told) - MOST_NOTES
    if more > 0:
        told[MOST_NOTES:] = [f"{counted(more, 'more note')} of this kind"]
    return tuple(told)


def _idle_note(table: Table, roles: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    idle = set(table).difference(*roles.values())
    if not idle:
        return ()
    names = listed(name for name in table if name in idle)
    options = "--time, --past, --future and --static"
    return (f"columns not used: {names} ({options} give columns a role)",)


def _resolve(table: Table, columns: Columns) -> dict[str, tuple[str, ...]]:
    """The columns of each role, checked; what is not given is found."""
    roles = {
        role: tuple(
            choose_column(table, name, f"--{role}")
            for name in columns.names(role, table)
        )
        for role in ("time", "series", "past", "future", "static")
    }
    if not roles["series"] and ID in table:
        roles["series"] = (ID,)
    taken = {name for names in roles.values() for name in names}
    if not roles["time"]:
        roles["time"] = _find_time(table, taken | set(columns.names("target", table)))
        taken |= set(roles["time"])
    free = {name: text for name, text in table.items() if name not in taken}
    roles["target"] = _find_targets(table, free, columns, bool(roles["series"]))
    given = [name for names in roles.values() for name in names]
    for name in given:
        if given.count(name) > 1:
            raise DataError(f"the column {name!r} has two roles; give it one")
    return roles


def _find_time(table: Table, taken: set[str]) -> tuple[str, ...]:
    others = [name for name in table if name not in taken]
    if TIME in others:
        return (TIME,)
    if dates := find_dates(table, others):
        return (dates,)
    parts = tuple(part for part in PARTS_OF_TIME if part in others)
    # Each part has those before it: a month without a year is no time.
    usable = len(parts) > 1 and parts == PARTS_OF_TIME[: len(parts)]
    return parts if usable else ()


def _find_targets(
    table: Table, free: Table, columns: Columns, long: bool
) -> tuple[str, ...]:
    names = columns.names("target", table)
    if names == ("all",) and "all" not in table:
        names = tuple(name for name, text in free.items() if is_numeric(text))
        if not names:
            raise DataError("--target all: no column is numeric")
        return names
    if names:
        return tuple(choose_column(table, name, "--target") for name in names)
    if long and TARGET in free:
        return (TARGET,)
    return (choose_target(free),)


def _members(
    table: Table,
    roles: Mapping[str, tuple[str, ...]],
    source: str,
    notes: tuple[str, ...],
    advice: str,
) -> Iterator[Member]:
    if not roles["series"]:
        clock = _clock(table, roles["time"], advice)
        for name in roles["target"]:
            yield _member(table, name, name, roles, source, clock, notes)
        return
    id_column, target = roles["series"][0], roles["target"][0]
    if max(len(roles[role]) for role in ("series", "target")) > 1:
        raise DataError("a long table has one column of series and one target")
    ids = table[id_column]
    if is_missing(ids).any():
        row = int(np.flatnonzero(is_missing(ids))[0]) + 1
        raise DataError(f"column {id_column!r}: no series named in data row {row}")
    for name, rows in ids.groupby(ids, sort=False).indices.items():
        own = {n: text.iloc[rows].reset_index(drop=True) for n, text in table.items()}
        try:
            clock = _clock(own, roles["time"], "keep one of them")
            yield _member(own, target, str(name), roles, source, clock, notes)
        except DataError as fault:
            raise DataError(f"series {name!r}: {fault}") from None


def _member(
    table: Table,
    target: str,
    name: str,
    roles: Mapping[str, tuple[str, ...]],
    source: str,
    clock: Clock | None,
    notes: tuple[str, ...],
) -> Member:
    values = to_numbers(table[target], target)
    series = clean(name, source, values, clock)
    series = replace(series, notes=(*series.notes, *notes))
    if clock is not None:
        values = clock.lay(values)
    known = np.flatnonzero(~np.isnan(values))
    # Behind the last value there may be rows that hold what is known in advance.
    past, future = slice(known[0], known[-1] + 1), slice(known[0], None)
    return Member(
        series,
        {n: _covariate(table[n], n, clock)[past] for n in roles["past"]},
        {n: _covariate(table[n], n, clock)[future] for n in roles["future"]},
        {n: _constant(table[n], n) for n in roles["static"]},
    )


def _clock(table: Table, names: tuple[str, ...], advice: str) -> Clock | None:
    if not names:
        return None
    if len(names) == 1:
        return read_clock(table[names[0]], names[0], advice)
    parts = [table[name].str.zfill(2) for name in names]
    text = parts[0].str.cat(parts[1:3], sep="-")
    if len(parts) > 3:
        clock = parts[3].str.cat(parts[4:] or [pd.Series("00", parts[3].index)], ":")
        text = text.str.cat(clock, sep=" ")
    return read_clock(text, ",".join(names), advice)


def _covariate(text: pd.Series, name: str, clock: Clock | None) -> np.ndarray:
    """A column on the grid: numbers with NaN, or texts with "" for what is missing."""
    if is_numeric(text) or is_missing(text).all():
        found, absent = to_numbers(text, name), np.nan
    else:
        found, absent = text.mask(is_missing(text), "").to_numpy(object), ""
    return found if clock is None else clock.lay(found, absent)


def _constant(text: pd.Series, name: str) -> str:
    found = sorted(set(text[~is_missing(text)]))
    if len(found) > 1:
        raise DataError(
            f"static column {name!r}: expected one value for a series, received "
            f"{found[0]!r} and {found[1]!r}; a column that changes belongs to --past "
            "or --future when a model is trained"
        )
    return found[0] if found else ""
