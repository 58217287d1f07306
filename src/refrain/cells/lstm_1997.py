"""Long short-term memory as it was first."""

from refrain.cells.define import cell
from refrain.cells.weights import vector
from refrain.graph.functions import sigmoid

GATES = ("i", "g", "o")


@cell(
    state=("h", "c"),
    gates=GATES,
    b=vector(variable="bias", gates=GATES, by_gate={"i": -1.0}),
)
def lstm_1997(x, h_prev, c_prev, W, U, b):
    """Long short-term memory of 1997, without a forget gate.

    Source: Hochreiter, Schmidhuber 1997, Neural Computation 9(8),
    doi:10.1162/neco.1997.9.8.1735.
    The paper squashes the candidate to between -2 and 2 and the cell to between -1 and
    1, with stretched logistic functions. Trap: nothing makes c smaller again, so it
    drifts; the paper starts the bias of the input gate below 0 against that, here at
    -1. Blocks of several cells with common gates, and links from gates to gates, are
    left out.
    """
    i = sigmoid(x @ W.i + h_prev @ U.i + b.i)
    g = 4 * sigmoid(x @ W.g + h_prev @ U.g + b.g) - 2
    o = sigmoid(x @ W.o + h_prev @ U.o + b.o)
    c = c_prev + i * g
    h = o * (2 * sigmoid(c) - 1)
    return h, c
