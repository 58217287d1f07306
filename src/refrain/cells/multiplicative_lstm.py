"""Long short-term memory with a state for each input."""

from refrain.cells.define import cell
from refrain.cells.weights import vector
from refrain.graph.functions import sigmoid, tanh

GATES = ("i", "f", "g", "o")


@cell(
    state=("h", "c"),
    gates=("m", *GATES),
    b=vector(variable="bias", gates=GATES, by_gate={"f": "ones"}),
)
def multiplicative_lstm(
    x, h_prev, c_prev, W, U, b, *, activation=tanh, recurrent_activation=sigmoid
):
    """Multiplicative long short-term memory: the input scales what the state says.

    Source: Krause, Lu, Murray, Renals 2016, ICLR workshop, arXiv 1609.07959.
    Traps: the name mLSTM is also that of the matrix memory of 2024, which is another
    cell; early versions of the paper have h = tanh(c * o). The biases are not in the
    paper: `use_bias=False` leaves them out.
    """
    m = (x @ W.m) * (h_prev @ U.m)
    i = recurrent_activation(x @ W.i + m @ U.i + b.i)
    f = recurrent_activation(x @ W.f + m @ U.f + b.f)
    g = activation(x @ W.g + m @ U.g + b.g)
    o = recurrent_activation(x @ W.o + m @ U.o + b.o)
    c = f * c_prev + i * g
    h = o * activation(c)
    return h, c
