"""The Jordan network."""

from refrain.cells.define import cell
from refrain.cells.weights import matrix, vector
from refrain.graph.functions import tanh


@cell(
    state={"y": "outputs"},
    U=matrix("outputs", "units", "recurrent_kernel"),
    V=matrix("units", "outputs", "output_kernel"),
    c=vector("outputs", "output_bias"),
)
def jordan_rnn(x, y_prev, W, U, b, V, c, *, activation=tanh, output_activation=tanh):
    """Jordan network: what comes back is the output, not the hidden layer.

    Source: Jordan 1986, UC San Diego, Institute for Cognitive Science Report 8604.
    The network is called with the size of its output: `jordan_rnn(32, outputs=4)`. Both
    layers of the paper are logistic. Left out, as most textbooks do: the decaying links
    of the paper's state units to themselves.
    """
    h = activation(x @ W + y_prev @ U + b)
    y = output_activation(h @ V + c)
    return y
