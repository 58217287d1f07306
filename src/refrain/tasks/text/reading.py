"""Texts and their labels from CSV, JSON lines, or folders of text files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from refrain.errors import DataError
from refrain.tasks.table import Table, choose_column, is_missing, is_numeric, read_table
from refrain.words import counted, listed

LABELS = ("label", "sentiment", "class", "category", "target", "rating")
JSON_LINES = (".jsonl", ".ndjson", ".json")
LARGEST_TEXT = 1 << 24  # bytes of one file in a folder


@dataclass(frozen=True)
class Texts:
    """Texts in the order of their file.

    Attributes:
        texts: none is empty.
        labels: of each; None where they were not asked for.
        column, label_column: where they were found.
        notes: what was left out.
    """

    texts: list[str]
    labels: list[str] | None
    column: str
    label_column: str | None
    notes: tuple[str, ...] = ()


def read_texts(
    path: Path, text: str | None, label: str | None, labelled: bool = True
) -> Texts:
    """Read a file or folder of texts.

    Args:
        path: a CSV file; JSON lines, by its suffix; or a folder that holds one folder
            a label, with a .txt file a text.
        text, label: columns; None: found by `choose_text` and `choose_label`.
        labelled: whether labels are needed; without, those of the file are not read.

    Raises:
        DataError: the file cannot be read, a column is missing, or no row is left.
    """
    if path.is_dir():
        table, text, label = _folder_table(path, labelled), "text", "label"
    elif path.suffix.lower() in JSON_LINES:
        table = _json_table(path)
    else:
        table = read_table(path)
    column = choose_text(table, text, label)
    missing = (table[column] == "").to_numpy()
    label_column = choose_label(path, table, column, label) if labelled else None
    if label_column == column:
        raise DataError(
            f"{path}: the column {column!r} cannot be both the text and the label"
        )
    if label_column:
        if (table[label_column] == label_column).any():
            raise DataError(
                f"{path}: the column {label_column!r} has its name among its values; "
                "expected a first line of column names, such as text,label"
            )
        missing = missing | is_missing(table[label_column])
    notes, what = [], "text or label" if labelled else "text"
    if missing.any():
        notes.append(f"{counted(int(missing.sum()), 'row')} without {what} left out")
    kept = [k for k, gone in enumerate(missing) if not gone]
    if not kept:
        raise DataError(f"{path}: no row has a {what}")
    labels = table[label_column].iloc[kept].tolist() if label_column else None
    return Texts(
        table[column].iloc[kept].tolist(), labels, column, label_column, tuple(notes)
    )


def choose_text(table: Table, name: str | None, label: str | None) -> str:
    """The column of texts: the one named, or the one with the longest but numbers."""
    if name is not None:
        return choose_column(table, name, "--text")
    others = [column for column in table if column != label]
    worded = [column for column in others if not is_numeric(table[column])]
    return max(worded or others or table, key=lambda c: table[c].str.len().mean())


def choose_label(path: Path, table: Table, text: str, name: str | None) -> str:
    """The column of labels: the one named, the only other, or one of usual name."""
    if name is not None:
        return choose_column(table, name, "--label")
    others = [column for column in table if column != text]
    usual = [column for column in others if column.lower() in LABELS]
    if len(others) == 1 or len(usual) == 1:
        return (usual or others)[0]
    if not others:
        raise DataError(
            f"{path}: expected a column of texts and one of labels, received the one "
            f"column {text!r}; separate columns by a comma, semicolon, tab or bar"
        )
    raise DataError(
        f"{path}: several columns could hold the labels: {listed(others)}; choose one "
        "with --label COLUMN"
    )


def lines_of(source: Iterable[str]) -> Iterator[str]:
    """The texts of lines as they come, one a line; empty lines are left out."""
    return (text for line in source if (text := line.strip()))


def _json_table(path: Path) -> Table:
    rows, number = [], 0
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise DataError(
                        f"{path}: line {number}: expected an object such as "
                        '{"text": "…", "label": "…"}'
                    )
                rows.append(row)
    except json.JSONDecodeError as fault:
        raise DataError(f"{path}: line {number}: not JSON: {fault.msg}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: expected UTF-8 text, found other bytes") from None
    except OSError as fault:
        raise DataError(f"{path}: cannot be read: {fault.strerror}") from None
    if not rows:
        raise DataError(f"{path} is empty; expected one JSON object a line")
    names = list(dict.fromkeys(key for row in rows for key in row))
    return {name: pd.Series([_plain(row.get(name)) for row in rows]) for name in names}


def _plain(value: object) -> str:
    """A value of JSON as a CSV file would have it."""
    return "" if value is None else str(value).strip()


def _folder_table(path: Path, labelled: bool) -> Table:
    pattern = "*/*.txt" if labelled else "**/*.txt"
    files = sorted(path.glob(pattern))
    if not files:
        expected = "a folder for each label, with .txt files" if labelled else ".txt"
        raise DataError(f"{path}: expected {expected}, found none")
    texts = []
    for file in files:
        try:
            if file.stat().st_size > LARGEST_TEXT:
                raise DataError(f"{file}: larger than {LARGEST_TEXT:,} bytes")
            texts.append(file.read_text(encoding="utf-8-sig").strip())
        except UnicodeDecodeError:
            raise DataError(f"{file}: expected UTF-8 text, found other bytes") from None
        except OSError as fault:
            raise DataError(f"{file}: cannot be read: {fault.strerror}") from None
    labels = [file.parent.name for file in files]
    return {"text": pd.Series(texts), "label": pd.Series(labels)}
