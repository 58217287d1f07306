"""Gated recurrent unit, in both forms."""

from refrain.cells.define import cell
from refrain.cells.weights import vector
from refrain.graph.functions import sigmoid, tanh

GATES = ("z", "r", "n")


@cell(
    state="h",
    gates=GATES,
    b_u=vector(variable="bias", gates=GATES, when="reset_after"),
)
def gru(
    x,
    h_prev,
    W,
    U,
    b,
    b_u,
    *,
    activation=tanh,
    recurrent_activation=sigmoid,
    reset_after=True,
):
    """Gated recurrent unit.

    Source: Cho et al. 2014, EMNLP, arXiv 1406.1078. The reset gate acts after the
    recurrent product as in version 1 and in cuDNN (Keras's default), or before it as in
    version 3. Gate order equals Keras: update, reset, candidate; with `reset_after`
    the recurrent product has a bias of its own.
    """
    z = recurrent_activation(x @ W.z + b.z + h_prev @ U.z + b_u.z)
    r = recurrent_activation(x @ W.r + b.r + h_prev @ U.r + b_u.r)
    if reset_after:
        n = activation(x @ W.n + b.n + r * (h_prev @ U.n + b_u.n))
    else:
        n = activation(x @ W.n + b.n + (r * h_prev) @ U.n)
    h = z * h_prev + (1 - z) * n
    return h
