"""Scalar LSTM of the extended LSTM: exponential gates, stabilised."""

from refrain.cells.define import cell
from refrain.cells.weights import vector
from refrain.graph.functions import exp, log_sigmoid, maximum, sigmoid, tanh

GATES = ("i", "f", "z", "o")


@cell(
    state=("h", "c", "n", "m"),
    gates=GATES,
    b=vector(variable="bias", gates=GATES, by_gate={"f": "ones"}),
)
def slstm(x, h_prev, c_prev, n_prev, m_prev, W, U, b, *, log_forget=log_sigmoid):
    """Scalar LSTM of the extended LSTM (sLSTM).

    Source: Beck, Pöppel, Spanring et al. 2024, NeurIPS, arXiv 2405.04517.
    An exponential input gate, a normaliser n, and the stabiliser m, which takes the
    largest exponent out of c and n alike and leaves h as it is. `log_forget` is
    log_sigmoid for a sigmoid forget gate, linear for an exponential one. One head: the
    paper's heads make U block-diagonal, which the language does not know. Trap: where n
    is 0, before any input, h is 0 too.
    """
    log_i = x @ W.i + h_prev @ U.i + b.i
    log_f = log_forget(x @ W.f + h_prev @ U.f + b.f)
    z = tanh(x @ W.z + h_prev @ U.z + b.z)
    o = sigmoid(x @ W.o + h_prev @ U.o + b.o)
    m = maximum(log_f + m_prev, log_i)
    i = exp(log_i - m)
    f = exp(log_f + m_prev - m)
    c = f * c_prev + i * z
    n = f * n_prev + i
    h = o * (c / maximum(n, 1e-30))
    return h, c, n, m
