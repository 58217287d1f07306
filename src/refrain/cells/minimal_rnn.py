"""MinimalRNN."""

from refrain.cells.define import cell
from refrain.cells.weights import matrix, vector
from refrain.graph.functions import sigmoid, tanh


@cell(
    state="h",
    V=matrix("units", "units", "latent_kernel"),
    b=vector(variable="bias", gates=("u", "z")),
)
def minimal_rnn(x, h_prev, W, U, V, b):
    """MinimalRNN: its state moves in the space that the input is mapped to.

    Source: Chen 2017, arXiv 1711.06788.
    The paper leaves the map from x to z open and uses one layer with tanh; so is it
    here. Trap: the gate reads z, not x.
    """
    z = tanh(x @ W + b.z)
    u = sigmoid(h_prev @ U + z @ V + b.u)
    h = u * h_prev + (1 - u) * z
    return h
