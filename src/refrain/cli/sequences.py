"""Sequences from a file: arrays of NumPy's, or a table of numbers as text."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from refrain.errors import DataError


def read_sequences(file: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Sequences and, where an .npz file has an array `y`, what belongs to each.

    Args:
        file: .npy; .npz with an array `x`, and `y` or not; .csv of numbers alone, a
            row each step or, where they are whole, a row of words each sequence.

    Raises:
        DataError: it cannot be read, or holds something else. Nothing in it is run.
    """
    try:
        if file.suffix == ".csv":
            table = np.loadtxt(file, delimiter=",", ndmin=2, encoding="utf-8")
            return table, None
        with file.open("rb") as opened:
            found = np.load(opened, allow_pickle=False)
            if not isinstance(found, np.lib.npyio.NpzFile):
                return _numeric(file, found), None
            if "x" not in found:
                raise DataError(
                    f"{file}: expected an array named x, found {', '.join(found)}"
                )
            y = _numeric(file, found["y"]) if "y" in found else None
            return _numeric(file, found["x"]), y
    except OSError as fault:
        raise DataError(f"cannot read {file}: {fault.strerror or fault}") from None
    except (ValueError, EOFError, zipfile.BadZipFile):
        raise DataError(
            f"{file}: expected numbers in a .npy, .npz or .csv file"
        ) from None


def _numeric(file: Path, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        raise DataError(f"{file}: expected numbers, found {array.dtype}")
    return array


def as_input(x: np.ndarray, rank: int, features: int | None) -> np.ndarray:
    """Sequences with as many axes as a model reads.

    A table of frames is one sequence, and numbers for a model of one feature a step
    are sequences of such frames.

    Raises:
        DataError: they cannot be what the model reads.
    """
    if x.ndim == 2 and rank == 3:
        x = x[None] if x.shape[1] == features else x[..., None]
    if x.ndim != rank or (rank == 3 and features not in (None, x.shape[2])):
        shape = "(sequences, steps)" if rank == 2 else "(sequences, steps, features)"
        raise DataError(
            f"the model reads {shape}"
            f"{f' with {features} features' if rank == 3 else ''}; received an array "
            f"of {' × '.join(map(str, x.shape))}"
        )
    if rank == 2 and not np.array_equal(x, np.floor(x)):
        raise DataError("the model reads words as whole numbers; received others")
    return x.astype("int32" if rank == 2 else "float32")
