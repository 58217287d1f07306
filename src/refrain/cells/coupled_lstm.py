"""Long short-term memory with one gate for input and forgetting."""

from refrain.cells.define import cell
from refrain.graph.functions import sigmoid, tanh


@cell(state=("h", "c"), gates=("i", "g", "o"))
def coupled_lstm(
    x, h_prev, c_prev, W, U, b, *, activation=tanh, recurrent_activation=sigmoid
):
    """Long short-term memory with a coupled input and forget gate (CIFG).

    Source: Greff, Srivastava, Koutník, Steunebrink, Schmidhuber 2015, IEEE TNNLS,
    arXiv 1503.04069.
    Trap: here and in ONNX (`input_forget`) the input gate has weights and f = 1 - i;
    some libraries keep the forget gate instead, with i = 1 - f. The paper's peepholes
    are left out.
    """
    i = recurrent_activation(x @ W.i + h_prev @ U.i + b.i)
    g = activation(x @ W.g + h_prev @ U.g + b.g)
    o = recurrent_activation(x @ W.o + h_prev @ U.o + b.o)
    c = (1 - i) * c_prev + i * g
    h = o * activation(c)
    return h, c
