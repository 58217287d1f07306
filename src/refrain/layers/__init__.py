"""Keras layers whose loop over time is a cell's equations."""

from refrain.layers.bidirectional import Bidirectional
from refrain.layers.equations import CellLayer, GRUCell, LSTMCell, SimpleRNNCell
from refrain.layers.recurrent import (
    GRU,
    LSTM,
    RNN,
    SimpleRNN,
    StackedRNNCells,
)

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Bidirectional",
    "CellLayer",
    "GRUCell",
    "LSTMCell",
    "SimpleRNN",
    "SimpleRNNCell",
    "StackedRNNCells",
]
