"""keras.layers with refrain's recurrent layers in place of Keras's."""

from keras.layers import *  # noqa: F403

from refrain.layers import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    CellLayer,
    Embedding,
    GRUCell,
    LSTMCell,
    SimpleRNN,
    SimpleRNNCell,
    StackedRNNCells,
)
