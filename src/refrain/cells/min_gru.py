"""minGRU and minLSTM: gates that see the input alone."""

from refrain.cells.define import cell
from refrain.graph.functions import sigmoid, softplus


@cell(state="h", gates=("z", "n"))
def min_gru(x, h_prev, W, b):
    """Minimal GRU (minGRU), linear in its state.

    Source: Feng, Tung, Ahmed, Bengio, Hajimirsadeghi 2024, arXiv 2410.01201.
    Traps: z is the weight of the new, as in the paper, not of the old, as in Keras's
    GRU; the paper's log-space form passes the candidate through a positive function and
    has other numbers.
    """
    z = sigmoid(x @ W.z + b.z)
    n = x @ W.n + b.n
    h = (1 - z) * h_prev + z * n
    return h


@cell(state="h", gates=("f", "i", "n"))
def min_lstm(x, h_prev, W, b):
    """Minimal LSTM (minLSTM), linear in its state.

    Source: Feng, Tung, Ahmed, Bengio, Hajimirsadeghi 2024, arXiv 2410.01201.
    Forget and input gate share one sum: f' = f / (f + i) and i' = i / (f + i), which is
    sigmoid(log f - log i). Written so, it holds where both gates are 0 in float32.
    There is no output gate.
    """
    f = sigmoid(softplus(-(x @ W.i + b.i)) - softplus(-(x @ W.f + b.f)))
    n = x @ W.n + b.n
    h = f * h_prev + (1 - f) * n
    return h
