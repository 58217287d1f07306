"""Walks of cells with random, distinct weights over sequences of several lengths."""

import numpy as np

from refrain import cells
from refrain.study.walk import walk
from tests.layers.samples import two_faced
from tests.randoms import random_states, random_weights, sized_cell, unpacked

BATCH, STEPS, FEATURES = 3, 6, 2
CELLS = [
    cells.simple_rnn(5),
    cells.lstm(3),
    cells.gru(4),
    cells.gru(3, reset_after=False, use_bias=False),
    cells.layer_norm_lstm(3),
    sized_cell(cells.lstm_projection, 3),
    sized_cell(cells.slstm, 2),
    sized_cell(cells.lru, 3),
    cells.cornn(3),
    two_faced(3),
]
LENGTHS = np.array([6, 2, 4])
MASK = np.arange(STEPS) < LENGTHS[:, None]


def taken(sized, rng, mask=None):
    """A walk, and what it was made of: inputs, first states, packed variables."""
    x = rng.normal(size=(BATCH, STEPS, FEATURES))
    variables = random_weights(sized, FEATURES, rng)
    first = random_states(sized, BATCH, rng)
    weights = unpacked(sized, FEATURES, variables)
    return walk(sized, weights, x, first, mask), x, first, variables
