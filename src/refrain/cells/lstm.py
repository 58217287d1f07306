"""Long short-term memory."""

from refrain.cells.define import cell
from refrain.cells.weights import vector
from refrain.graph.functions import sigmoid, tanh


@cell(
    state=("h", "c"),
    gates=("i", "f", "g", "o"),
    b=vector(variable="bias", gates=("i", "f", "g", "o"), by_gate={"f": "ones"}),
)
def lstm(x, h_prev, c_prev, W, U, b, *, activation=tanh, recurrent_activation=sigmoid):
    """Long short-term memory with forget gates.

    Source: Gers, Schmidhuber, Cummins 2000, doi:10.1162/089976600300015015.
    Gate order equals Keras: input, forget, candidate, output. The forget gate's bias
    starts at 1, so that a fresh cell remembers (Jozefowicz et al. 2015).
    """
    i = recurrent_activation(x @ W.i + h_prev @ U.i + b.i)
    f = recurrent_activation(x @ W.f + h_prev @ U.f + b.f)
    g = activation(x @ W.g + h_prev @ U.g + b.g)
    o = recurrent_activation(x @ W.o + h_prev @ U.o + b.o)
    c = f * c_prev + i * g
    h = o * activation(c)
    return h, c
