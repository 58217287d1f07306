"""Word vectors that others have trained, from the usual text files.

GloVe: a word and its numbers a line. word2vec and fastText: the same below a line with
the number of words and of numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from refrain.errors import DataError

LARGEST = 4096  # numbers a word


def read_vectors(path: Path, words: Sequence[str], seed: int) -> np.ndarray:
    """A vector for each word.

    Args:
        path: the file.
        words: a vocabulary, padding first.
        seed: of the vectors of words that the file lacks: random numbers with the
            spread of those found.

    Returns:
        `(words, numbers)` float32; padding is zero.

    Raises:
        DataError: no such file, a line that is no vector, or no word of the vocabulary.
    """
    rows = {word: row for row, word in enumerate(words)}
    found: dict[int, np.ndarray] = {}
    size = 0
    try:
        with path.open(encoding="utf-8", errors="strict") as lines:
            for number, line in enumerate(lines, start=1):
                parts = line.rstrip().split(" ")
                if number == 1 and len(parts) == 2:
                    continue  # how many there are
                size = size or len(parts) - 1
                # A word may hold spaces itself.
                word = " ".join(parts[:-size]) if size else ""
                if word in rows:
                    found[rows[word]] = _vector(path, number, parts[-size:])
                elif len(parts) <= size or not size or size > LARGEST:
                    raise _refusal(path, number)
    except UnicodeDecodeError:
        raise DataError(f"{path}: expected UTF-8 text, found other bytes") from None
    except OSError as fault:
        raise DataError(f"cannot read {path}: {fault.strerror}") from None
    if not found:
        raise DataError(f"{path}: holds no word of the training texts")
    known = np.stack(list(found.values()))
    random = np.random.default_rng(seed)
    vectors = random.normal(known.mean(), known.std(), (len(words), size))
    vectors[list(found)] = known
    vectors[0] = 0
    return vectors.astype(np.float32)


def _vector(path: Path, number: int, parts: Sequence[str]) -> np.ndarray:
    try:
        vector = np.array([float(part) for part in parts])
    except ValueError:
        raise _refusal(path, number) from None
    if not np.isfinite(vector).all():
        raise _refusal(path, number)
    return vector


def _refusal(path: Path, number: int) -> DataError:
    return DataError(
        f"{path}: line {number}: expected a word and its numbers, separated by spaces"
    )
