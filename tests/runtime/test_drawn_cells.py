"""Kernels of cells with random equations equal the interpreter."""

from functools import partial

import numpy as np
import pytest

from tests.runtime.drawn_cells import drawn_cell
from tests.runtime.reference import assert_equals_interpreter, assert_masked_skips

SIZES = (1, 2, 3, 5, 8, 9, 16, 17, 33)
ERROR = 1e-9  # of what may grow from step to step


@pytest.mark.parametrize("seed", range(30))
def test_a_drawn_cell_equals_the_interpreter(seed):
    rng = np.random.default_rng(seed)
    features, units, memory = map(int, rng.choice(SIZES, 3))
    make = partial(drawn_cell(seed), memory=memory)
    batch, timesteps = map(int, rng.integers(1, (9, 6)))
    shape = features, units, batch, timesteps
    assert_equals_interpreter(make, *shape, "float64", rng, ERROR)


@pytest.mark.parametrize("seed", range(100, 130))
def test_a_drawn_cell_skips_what_a_mask_leaves_out(seed):
    rng = np.random.default_rng(seed)
    units, memory = map(int, rng.choice(SIZES, 2))
    sized = drawn_cell(seed)(units, memory=memory)
    mask = ("hold", "zero")[seed % 2]
    assert_masked_skips(sized, mask, bool(rng.integers(2)), rng)
