"""The cell that an architecture search found."""

from refrain.cells.define import cell
from refrain.graph.functions import relu, sigmoid, tanh

GATES = ("o1", "o2", "o3", "o4", "o5", "o6", "o7", "o8")


@cell(state=("h", "c"), gates=GATES)
def nas(x, h_prev, c_prev, W, U, b):
    """Neural architecture search cell (NAS).

    Source: Zoph, Le 2017, ICLR, arXiv 1611.01578.
    The paper draws this cell; the formulas are those of its authors' code in
    TensorFlow, and so is the bias, which is added to the products of the state. Trap:
    in o4 input and state are multiplied. The gates have no names, only numbers.
    """
    o1 = sigmoid(x @ W.o1 + (h_prev @ U.o1 + b.o1))
    o2 = relu(x @ W.o2 + (h_prev @ U.o2 + b.o2))
    o3 = sigmoid(x @ W.o3 + (h_prev @ U.o3 + b.o3))
    o4 = relu((x @ W.o4) * (h_prev @ U.o4 + b.o4))
    o5 = tanh(x @ W.o5 + (h_prev @ U.o5 + b.o5))
    o6 = sigmoid(x @ W.o6 + (h_prev @ U.o6 + b.o6))
    o7 = tanh(x @ W.o7 + (h_prev @ U.o7 + b.o7))
    o8 = sigmoid(x @ W.o8 + (h_prev @ U.o8 + b.o8))
    c = tanh(tanh(o1 * o2) + c_prev) * tanh(o3 + o4)
    h = tanh(c * tanh(tanh(o5 * o6) + sigmoid(o7 + o8)))
    return h, c
