"""Stackable recurrent cell."""

from refrain.cells.define import cell
from refrain.cells.weights import matrix
from refrain.graph.functions import sigmoid, tanh


@cell(
    state="h",
    gates=("k", "z"),
    U=matrix(
        "units", "units", "recurrent_kernel", gates=("k",), initializer="orthogonal"
    ),
)
def star(x, h_prev, W, U, b):
    """Stackable recurrent cell (STAR): gradients keep their size through layers.

    Source: Turkoglu, D'Aronco, Wegner, Schindler 2019, TPAMI, arXiv 1911.11033.
    Trap: the candidate z sees the input alone, and k is the weight of the new, not of
    the old.
    """
    k = sigmoid(x @ W.k + h_prev @ U.k + b.k)
    z = tanh(x @ W.z + b.z)
    h = tanh((1 - k) * h_prev + k * z)
    return h
