"""The equations: every cell that refrain knows, and the decorator to write one."""

from refrain.cells.antisymmetric_rnn import antisymmetric_rnn
from refrain.cells.cfn import cfn
from refrain.cells.cornn import cornn
from refrain.cells.coupled_lstm import coupled_lstm
from refrain.cells.define import Cell, SizedCell, cell
from refrain.cells.fast_rnn import fast_grnn, fast_rnn
from refrain.cells.gru import gru
from refrain.cells.indrnn import indrnn
from refrain.cells.janet import janet
from refrain.cells.jordan_rnn import jordan_rnn
from refrain.cells.layer_norm import layer_norm_gru, layer_norm_lstm
from refrain.cells.lem import lem
from refrain.cells.ligru import ligru
from refrain.cells.lru import lru
from refrain.cells.lstm import lstm
from refrain.cells.lstm_1997 import lstm_1997
from refrain.cells.lstm_projection import lstm_projection
from refrain.cells.mgu import mgu
from refrain.cells.min_gru import min_gru, min_lstm
from refrain.cells.minimal_rnn import minimal_rnn
from refrain.cells.multiplicative_lstm import multiplicative_lstm
from refrain.cells.mut import mut1, mut2, mut3
from refrain.cells.nas import nas
from refrain.cells.peephole_lstm import peephole_lstm
from refrain.cells.qrnn import qrnn
from refrain.cells.ran import ran
from refrain.cells.record import from_record, to_record
from refrain.cells.rg_lru import rg_lru
from refrain.cells.rhn import rhn
from refrain.cells.scrn import scrn
from refrain.cells.simple_rnn import irnn, simple_rnn
from refrain.cells.slstm import slstm
from refrain.cells.sru import sru
from refrain.cells.star import star
from refrain.cells.ugrnn import ugrnn
from refrain.cells.weights import matrix, scalar, vector

ALL = (
    *(simple_rnn, irnn, jordan_rnn),
    *(lstm, lstm_1997, peephole_lstm, coupled_lstm, lstm_projection),
    *(multiplicative_lstm, layer_norm_lstm),
    *(gru, layer_norm_gru, mgu, mut1, mut2, mut3, ligru, ugrnn, janet),
    *(nas, rhn),
    *(indrnn, fast_rnn, fast_grnn, minimal_rnn, ran, cfn, star, scrn),
    *(antisymmetric_rnn, cornn, lem),
    *(qrnn, sru, min_gru, min_lstm, lru, rg_lru),
    slstm,
)

__all__ = [
    "ALL",
    "Cell",
    "SizedCell",
    "antisymmetric_rnn",
    "cell",
    "cfn",
    "cornn",
    "coupled_lstm",
    "fast_grnn",
    "fast_rnn",
    "from_record",
    "gru",
    "indrnn",
    "irnn",
    "janet",
    "jordan_rnn",
    "layer_norm_gru",
    "layer_norm_lstm",
    "lem",
    "ligru",
    "lru",
    "lstm",
    "lstm_1997",
    "lstm_projection",
    "matrix",
    "mgu",
    "min_gru",
    "min_lstm",
    "minimal_rnn",
    "multiplicative_lstm",
    "mut1",
    "mut2",
    "mut3",
    "nas",
    "peephole_lstm",
    "qrnn",
    "ran",
    "rg_lru",
    "rhn",
    "scalar",
    "scrn",
    "simple_rnn",
    "slstm",
    "sru",
    "star",
    "to_record",
    "ugrnn",
    "vector",
]
