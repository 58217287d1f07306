"""The equations: every cell that refrain knows, and the decorator to write one."""

from refrain.cells.coupled_lstm import coupled_lstm
from refrain.cells.define import Cell, SizedCell, cell
from refrain.cells.gru import gru
from refrain.cells.janet import janet
from refrain.cells.jordan_rnn import jordan_rnn
from refrain.cells.layer_norm import layer_norm_gru, layer_norm_lstm
from refrain.cells.ligru import ligru
from refrain.cells.lstm import lstm
from refrain.cells.lstm_1997 import lstm_1997
from refrain.cells.lstm_projection import lstm_projection
from refrain.cells.mgu import mgu
from refrain.cells.multiplicative_lstm import multiplicative_lstm
from refrain.cells.mut import mut1, mut2, mut3
from refrain.cells.nas import nas
from refrain.cells.peephole_lstm import peephole_lstm
from refrain.cells.rhn import rhn
from refrain.cells.simple_rnn import irnn, simple_rnn
from refrain.cells.ugrnn import ugrnn
from refrain.cells.weights import matrix, scalar, vector

ALL = (
    *(simple_rnn, irnn, jordan_rnn),
    *(lstm, lstm_1997, peephole_lstm, coupled_lstm, lstm_projection),
    *(multiplicative_lstm, layer_norm_lstm),
    *(gru, layer_norm_gru, mgu, mut1, mut2, mut3, ligru, ugrnn, janet),
    *(nas, rhn),
)

__all__ = [
    "ALL",
    "Cell",
    "SizedCell",
    "cell",
    "coupled_lstm",
    "gru",
    "irnn",
    "janet",
    "jordan_rnn",
    "layer_norm_gru",
    "layer_norm_lstm",
    "ligru",
    "lstm",
    "lstm_1997",
    "lstm_projection",
    "matrix",
    "mgu",
    "multiplicative_lstm",
    "mut1",
    "mut2",
    "mut3",
    "nas",
    "peephole_lstm",
    "rhn",
    "scalar",
    "simple_rnn",
    "ugrnn",
    "vector",
]
