"""Recurrent highway network."""

from refrain.cells.define import cell
from refrain.cells.weights import matrix, vector
from refrain.graph.functions import sigmoid, tanh
from refrain.graph.node import Node

GATES = ("n1", "t1", "n2", "t2", "n3", "t3")
CLOSED = -2.0  # where the bias of a transform gate starts


def highway(s: Node, n: Node, t: Node) -> Node:
    """One highway layer: a transform gate lets the new in, what is left is carried."""
    t = sigmoid(t)
    return tanh(n) * t + s * (1 - t)


@cell(
    state="s",
    gates=GATES,
    W=matrix(variable="kernel", gates=("n1", "t1")),
    b=vector(variable="bias", gates=GATES, by_gate=dict.fromkeys(GATES[1::2], CLOSED)),
)
def rhn(x, s_prev, W, U, b):
    """Recurrent highway network (RHN) of depth 3.

    Source: Zilly, Srivastava, Koutník, Schmidhuber 2017, ICML, arXiv 1607.03474.
    Three highway layers a step, of which the first alone sees the input; the carry gate
    is 1 - t. A cell of another depth is these lines with more or fewer of them. The
    biases of the transform gates start at -2, which lets a fresh cell remember.
    """
    s1 = highway(
        s_prev, x @ W.n1 + s_prev @ U.n1 + b.n1, x @ W.t1 + s_prev @ U.t1 + b.t1
    )
    s2 = highway(s1, s1 @ U.n2 + b.n2, s1 @ U.t2 + b.t2)
    s3 = highway(s2, s2 @ U.n3 + b.n3, s2 @ U.t3 + b.t3)
    return s3
