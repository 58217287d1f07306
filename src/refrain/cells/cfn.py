"""Chaos free network."""

from refrain.cells.define import cell
from refrain.cells.weights import matrix, vector
from refrain.graph.functions import sigmoid, tanh

GATES = ("f", "i")


@cell(
    state="h",
    gates=(*GATES, "g"),
    U=matrix(
        "units", "units", "recurrent_kernel", gates=GATES, initializer="orthogonal"
    ),
    b=vector(variable="bias", gates=GATES, by_gate={"f": 1.0, "i": -1.0}),
)
def cfn(x, h_prev, W, U, b):
    """Chaos free network (CFN): without input its state decays to zero.

    Source: Laurent, von Brecht 2017, ICLR, arXiv 1612.06212.
    The paper's gates are theta (forget, here f) and eta (input, here i); their biases
    start at 1 and -1. Trap: the forget gate scales tanh(h_prev), not h_prev.
    """
    f = sigmoid(x @ W.f + h_prev @ U.f + b.f)
    i = sigmoid(x @ W.i + h_prev @ U.i + b.i)
    h = f * tanh(h_prev) + i * tanh(x @ W.g)
    return h
