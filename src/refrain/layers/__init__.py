"""Keras layers whose loop over time is a cell's equations."""

from refrain import backend
from refrain.runtime import memory

if backend.chosen() == "jax":  # before Keras, whose threads take heaps of their own
    memory.keep_freed_memory()

from refrain.layers.bidirectional import Bidirectional
from refrain.layers.equations import CellLayer, GRUCell, LSTMCell, SimpleRNNCell
from refrain.layers.lookup import Embedding
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
    "Embedding",
    "GRUCell",
    "LSTMCell",
    "SimpleRNN",
    "SimpleRNNCell",
    "StackedRNNCells",
]
