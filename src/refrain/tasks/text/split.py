"""Splits labelled texts into two parts in which labels are as frequent as in all."""

from __future__ import annotations

import numpy as np


def split(truth: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the larger and of the smaller part, each sorted.

    Args:
        truth: index of each row's label; each occurs twice at least.
        share: of each label that goes to the smaller part: at least one row, and at
            most all but one.
        seed: of the choice.
    """
    random = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(truth):
        rows = np.flatnonzero(truth == label)
        count = min(max(round(share * len(rows)), 1), len(rows) - 1)
        chosen.append(random.permutation(rows)[:count])
    smaller = np.sort(np.concatenate(chosen))
    return np.setdiff1d(np.arange(len(truth)), smaller), smaller
