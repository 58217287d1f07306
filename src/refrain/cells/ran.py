"""Recurrent additive network."""

from refrain.cells.define import cell
from refrain.cells.weights import matrix, vector
from refrain.graph.functions import sigmoid, tanh

GATES = ("i", "f")


@cell(
    state=("h", "c"),
    gates=(*GATES, "g"),
    U=matrix(
        "units", "units", "recurrent_kernel", gates=GATES, initializer="orthogonal"
    ),
    b=vector(variable="bias", gates=GATES),
)
def ran(x, h_prev, c_prev, W, U, b, *, activation=tanh):
    """Recurrent additive network (RAN): a state that is a weighted sum of inputs.

    Source: Lee, Levy, Zettlemoyer 2017, arXiv 1705.07393.
    The candidate is linear in x and has no bias. `activation` is the paper's g, tanh or
    the identity. Trap: gates read h, and through it the state, so that the cell is not
    linear in its state even with the identity.
    """
    g = x @ W.g
    i = sigmoid(x @ W.i + h_prev @ U.i + b.i)
    f = sigmoid(x @ W.f + h_prev @ U.f + b.f)
    c = i * g + f * c_prev
    h = activation(c)
    return h, c
