"""Reads a file into columns of text, and a column of text into numbers.

The first stage of every task on a user's file: what is wrong with the file is said
here, in one line, before anything is computed.
"""

from __future__ import annotations

import csv
import difflib
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from refrain.errors import DataError
from refrain.words import counted, listed

SEPARATORS = ",;\t|"
MISSING = frozenset({"", "na", "n/a", "nan", "<na>", "null", "none", "-", "?"})

# Beyond this a sum of squares overflows.
LARGEST = 1e100

Table = dict[str, pd.Series]


def read_table(path: str | os.PathLike[str]) -> Table:
    """Read a CSV file with a first line of column names, or a Parquet file.

    The separator (comma, semicolon, tab or bar) is the one that the first line
    holds most of.

    Returns:
        The columns by name, as text, spaces around it removed.

    Raises:
        DataError: no such file, a folder, not UTF-8 text, empty, no column names,
            a name that occurs twice, or a row with more fields than names.
    """
    file = Path(path)
    if file.suffix == ".parquet" and file.is_file():
        return _read_parquet(file)
    line = _first_line(file)
    separator = max(SEPARATORS, key=line.count)
    names = _column_names(file, next(csv.reader([line], delimiter=separator)))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                file,
                sep=separator,
                names=names,
                skiprows=1,
                index_col=False,
                dtype=str,
                keep_default_na=False,
                encoding="utf-8-sig",
                compression=None,
            )
    except UnicodeDecodeError:
        raise _not_text(file) from None
    except pd.errors.ParserWarning:
        raise DataError(
            f"{file}: a row has more fields than the {len(names)} names of the first "
            f"line (separator {separator!r})"
        ) from None
    except pd.errors.ParserError as fault:
        reason = str(fault).strip().removeprefix("Error tokenizing data. C error: ")
        raise DataError(f"{file}: not a table: {reason}") from None
    if table.empty:
        raise DataError(f"{file}: expected rows below the column names, found none")
    return {name: pd.Series(table[name]).fillna("").str.strip() for name in names}


def _read_parquet(file: Path) -> Table:
    import pyarrow
    import pyarrow.parquet

    try:
        found = pyarrow.parquet.read_table(file).to_pandas()
    except (OSError, pyarrow.ArrowException) as fault:
        reason = str(fault).strip().splitlines()[0]
        raise DataError(f"{file}: not a Parquet file: {reason}") from None
    if found.empty:
        raise DataError(f"{file}: expected rows, found none")
    return as_table(found)


def as_table(data: Any) -> Table:
    """Columns of text from a table in memory.

    Args:
        data: a pandas DataFrame, whose index counts as a column if it holds dates; a
            Series, alike; or values `(points,)`.

    Raises:
        DataError: it is something else, or empty.
    """
    if isinstance(data, pd.Series):
        data = data.to_frame(data.name or "value")
    elif not isinstance(data, pd.DataFrame):
        values = np.asarray(data)
        if values.ndim != 1 or values.dtype.kind not in "iuf":
            raise DataError(
                "expected a file, a DataFrame, a Series or numbers of shape (points,), "
                f"received {type(data).__name__} of shape {values.shape}"
            )
        data = pd.DataFrame({"value": values})
    if isinstance(data.index, pd.DatetimeIndex):
        data = data.rename_axis(data.index.name or "time").reset_index()
    if data.empty:
        raise DataError("expected rows, found none")
    return {str(name): _as_text(pd.Series(data[name])) for name in data.columns}


def _as_text(column: pd.Series) -> pd.Series:
    # repr of a float is the shortest text that reads back as the same number.
    text = column.astype(object).map(str, na_action="ignore")
    return text.fillna("").astype(str).str.strip().reset_index(drop=True)


def _first_line(file: Path) -> str:
    if file.is_dir():
        raise DataError(f"{file} is a folder; expected a CSV file")
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            line = lines.readline()
    except FileNotFoundError:
        raise DataError(f"{file}: no such file") from None
    except UnicodeDecodeError:
        raise _not_text(file) from None
    except OSError as fault:
        raise DataError(f"{file}: cannot be read: {fault.strerror}") from None
    if not line:
        raise DataError(f"{file} is empty; expected a line of names and rows below")
    if not line.strip():
        raise DataError(f"{file}: the first line is empty; expected names")
    if "\0" in line:
        raise _not_text(file)
    return line


def _not_text(file: Path) -> DataError:
    return DataError(
        f"{file}: expected UTF-8 text, found other bytes; save the table as CSV in "
        "UTF-8 first"
    )


def _column_names(file: Path, header: Iterable[str]) -> list[str]:
    names = [name.strip() or f"column {k + 1}" for k, name in enumerate(header)]
    if all(_is_number(name) for name in names):
        raise DataError(
            f"{file}: the first line holds numbers ({', '.join(names[:4])}); expected "
            "column names; put a line of names above the rows"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{file}: the column name {twice[0]!r} occurs {names.count(twice[0])} "
            "times; give every column a name of its own"
        )
    return names


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_missing(text: pd.Series) -> np.ndarray:
    """Where a column of text holds no value, shape `(rows,)`."""
    return np.asarray(text.str.lower().isin(MISSING))


def is_numeric(text: pd.Series) -> bool:
    """Whether every value is a number, and there is one."""
    missing = is_missing(text)
    known = ~np.isnan(_parse(text, missing))
    return bool(known.any() and (known | missing).all())


def _parse(text: pd.Series, missing: np.ndarray) -> np.ndarray:
    """Numbers, NaN where the text is none."""
    return np.asarray(pd.to_numeric(text.mask(missing), errors="coerce"), dtype=float)


def to_numbers(text: pd.Series, name: str) -> np.ndarray:
    """The numbers of a column, float64 `(rows,)`, NaN where the value is missing.

    Raises:
        DataError: a value is not a number, infinite, or beyond 1e100.
    """
    missing = is_missing(text)
    values = _parse(text, missing)
    wrong = np.flatnonzero(np.isnan(values) & ~missing)
    if wrong.size:
        raise DataError(
            f"column {name!r}: expected numbers, received {text.iloc[wrong[0]]!r} in "
            f"data row {wrong[0] + 1} ({counted(wrong.size, 'such value')}); numbers "
            "have a decimal point and no separator of thousands"
        )
    large = np.flatnonzero(np.abs(values) > LARGEST)
    if large.size:
        raise DataError(
            f"column {name!r}: expected finite numbers, received "
            f"{text.iloc[large[0]]!r} in data row {large[0] + 1} "
            f"({counted(large.size, 'such value')}); leave the field empty where "
            "the value is not known"
        )
    return values


def choose_column(table: Table, name: str, option: str) -> str:
    """The column that an option names.

    Raises:
        DataError: there is none of that name; the message lists the columns.
    """
    if name in table:
        return name
    near = difflib.get_close_matches(name, list(table), n=1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    raise DataError(
        f"{option}: no column {name!r}; the columns are {listed(table)}{meant}"
    )


def choose_target(table: Table) -> str:
    """The only column, or the only numeric one.

    Raises:
        DataError: there are several, or none; the message lists them.
    """
    numeric = [name for name in table if is_numeric(table[name])]
    if len(table) == 1 or len(numeric) == 1:
        return (numeric or list(table))[0]
    if numeric:
        raise DataError(
            f"several columns are numeric: {listed(numeric)}; choose one with "
            "--target COLUMN"
        )
    raise DataError(
        f"no column is numeric; the columns are {listed(table) or 'times alone'}; "
        "numbers have a decimal point and no separator of thousands"
    )
