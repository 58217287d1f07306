"""Update gate network."""

from refrain.cells.define import cell
from refrain.cells.weights import vector
from refrain.graph.functions import sigmoid, tanh

GATES = ("g", "n")


@cell(
    state="h",
    gates=GATES,
    b=vector(variable="bias", gates=GATES, by_gate={"g": "ones"}),
)
def ugrnn(x, h_prev, W, U, b, *, activation=tanh, recurrent_activation=sigmoid):
    """Update gate network (UGRNN): a simple network with one gate.

    Source: Collins, Sohl-Dickstein, Sussillo 2017, ICLR, arXiv 1611.09913.
    g keeps the old. Its bias starts at 1, so that a fresh cell remembers; TensorFlow 1
    added that number at run time instead.
    """
    g = recurrent_activation(x @ W.g + h_prev @ U.g + b.g)
    n = activation(x @ W.n + h_prev @ U.n + b.n)
    h = g * h_prev + (1 - g) * n
    return h
