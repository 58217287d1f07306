"""The equations: every cell that refrain knows, and the decorator to write one."""

from refrain.cells.define import Cell, SizedCell, cell
from refrain.cells.gru import gru
from refrain.cells.lstm import lstm
from refrain.cells.lstm_projection import lstm_projection
from refrain.cells.simple_rnn import simple_rnn
from refrain.cells.weights import matrix, scalar, vector

ALL = (
    simple_rnn,
    *(lstm, lstm_projection),
    gru,
)

__all__ = [
    "ALL",
    "Cell",
    "SizedCell",
    "cell",
    "gru",
    "lstm",
    "lstm_projection",
    "matrix",
    "scalar",
    "simple_rnn",
    "vector",
]
