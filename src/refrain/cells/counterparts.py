"""Keras's own cells by the names of their classes: equations, and settings they read.

Whoever reads a Keras cell goes by this table, with Keras at hand or without it.
"""

from __future__ import annotations

from refrain.cells.define import Cell
from refrain.cells.gru import gru
from refrain.cells.lstm import lstm
from refrain.cells.simple_rnn import simple_rnn

KERAS_CELLS: dict[str, tuple[Cell, tuple[str, ...]]] = {
    "SimpleRNNCell": (simple_rnn, ("activation",)),
    "LSTMCell": (lstm, ("activation", "recurrent_activation")),
    "GRUCell": (gru, ("activation", "recurrent_activation", "reset_after")),
}
