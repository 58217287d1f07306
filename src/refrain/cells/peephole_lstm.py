"""Long short-term memory whose gates see the cell."""

from refrain.cells.define import cell
from refrain.cells.weights import vector
from refrain.graph.functions import sigmoid, tanh

GATES = ("i", "f", "g", "o")


@cell(
    state=("h", "c"),
    gates=GATES,
    b=vector(variable="bias", gates=GATES, by_gate={"f": "ones"}),
    p=vector(variable="peephole", gates=("i", "f", "o")),
)
def peephole_lstm(
    x, h_prev, c_prev, W, U, b, p, *, activation=tanh, recurrent_activation=sigmoid
):
    """Long short-term memory with peepholes.

    Source: Gers, Schraudolph, Schmidhuber 2002, JMLR 3, in the form of Graves 2013,
    arXiv 1308.0850.
    Traps: input and forget gate see the old cell, the output gate the new one; the
    peepholes are one weight a unit, not a matrix; ONNX packs them i, o, f. The paper of
    2002 does without the tanh of the cell. Peepholes start at 0.
    """
    i = recurrent_activation(x @ W.i + h_prev @ U.i + p.i * c_prev + b.i)
    f = recurrent_activation(x @ W.f + h_prev @ U.f + p.f * c_prev + b.f)
    g = activation(x @ W.g + h_prev @ U.g + b.g)
    c = f * c_prev + i * g
    o = recurrent_activation(x @ W.o + h_prev @ U.o + p.o * c + b.o)
    h = o * activation(c)
    return h, c
