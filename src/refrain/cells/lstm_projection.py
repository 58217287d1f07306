"""Long short-term memory whose hidden state is a projection."""

from refrain.cells.define import cell
from refrain.cells.weights import matrix, vector
from refrain.graph.functions import sigmoid, tanh

GATES = ("i", "f", "g", "o")


@cell(
    state={"h": "projection", "c": "units"},
    gates=GATES,
    U=matrix(
        "projection",
        "units",
        "recurrent_kernel",
        gates=GATES,
        initializer="orthogonal",
    ),
    b=vector(variable="bias", gates=GATES, by_gate={"f": "ones"}),
    P=matrix("units", "projection", "projection_kernel"),
)
def lstm_projection(
    x, h_prev, c_prev, W, U, b, P, *, activation=tanh, recurrent_activation=sigmoid
):
    """Long short-term memory with a recurrent projection (LSTMP).

    Source: Sak, Senior, Beaufays 2014, Interspeech, arXiv 1402.1128.
    c has `units`, h and so the output have `projection`: `lstm_projection(128,
    projection=32)`. As in PyTorch's `proj_size`, the paper's peepholes and its second
    projection, which is not recurrent, are left out; P has no bias.
    """
    i = recurrent_activation(x @ W.i + h_prev @ U.i + b.i)
    f = recurrent_activation(x @ W.f + h_prev @ U.f + b.f)
    g = activation(x @ W.g + h_prev @ U.g + b.g)
    o = recurrent_activation(x @ W.o + h_prev @ U.o + b.o)
    c = f * c_prev + i * g
    h = (o * activation(c)) @ P
    return h, c
