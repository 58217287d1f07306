"""LSTM and GRU with layer normalisation."""

import operator
from functools import reduce

from refrain.cells.define import cell
from refrain.cells.weights import vector
from refrain.graph.functions import layer_norm, mean, sigmoid, sqrt, tanh
from refrain.graph.node import Node

LSTM_GATES = ("i", "f", "g", "o")
GRU_GATES = ("z", "r", "n")


def normalised(*parts: Node, epsilon: float = 1e-5) -> list[Node]:
    """The parts of one vector, all of it brought to mean 0 and variance 1."""
    centre = reduce(operator.add, [mean(p) for p in parts]) / len(parts)
    centred = [p - centre for p in parts]
    variance = reduce(operator.add, [mean(p * p) for p in centred]) / len(parts)
    return [p / sqrt(variance + epsilon) for p in centred]


@cell(
    state=("h", "c"),
    gates=LSTM_GATES,
    b=vector(variable="bias", gates=LSTM_GATES, by_gate={"f": "ones"}),
    k_x=vector(variable="gain", gates=LSTM_GATES, initializer="ones"),
    k_h=vector(variable="gain", gates=LSTM_GATES, initializer="ones"),
    k_c=vector(variable="cell_gain", initializer="ones"),
    b_c=vector(variable="cell_bias"),
)
def layer_norm_lstm(x, h_prev, c_prev, W, U, b, k_x, k_h, k_c, b_c):
    """Long short-term memory with layer normalisation.

    Source: Ba, Kiros, Hinton 2016, arXiv 1607.06450, equations 20 to 22.
    Of the forms that go by this name this is the paper's: all gates are normalised as
    one vector, products of input and state each on their own, and the normalised cell
    is what h sees but not what is kept. Others normalise each gate, or their sum, or
    keep the normalised cell. Three biases of the paper that are added up are one here.
    The forget gate's bias starts at 1, as in `lstm`; the paper's at 0.
    """
    xi, xf, xg, xo = normalised(x @ W.i, x @ W.f, x @ W.g, x @ W.o)
    hi, hf, hg, ho = normalised(h_prev @ U.i, h_prev @ U.f, h_prev @ U.g, h_prev @ U.o)
    i = sigmoid(k_x.i * xi + k_h.i * hi + b.i)
    f = sigmoid(k_x.f * xf + k_h.f * hf + b.f)
    g = tanh(k_x.g * xg + k_h.g * hg + b.g)
    o = sigmoid(k_x.o * xo + k_h.o * ho + b.o)
    c = f * c_prev + i * g
    h = o * tanh(layer_norm(c, k_c, b_c))
    return h, c


@cell(
    state="h",
    gates=GRU_GATES,
    k_x=vector(variable="gain", gates=GRU_GATES, initializer="ones"),
    k_h=vector(variable="gain", gates=GRU_GATES, initializer="ones"),
    b_u=vector(variable="recurrent_bias"),
)
def layer_norm_gru(x, h_prev, W, U, b, k_x, k_h, b_u):
    """Gated recurrent unit with layer normalisation.

    Source: Ba, Kiros, Hinton 2016, arXiv 1607.06450, supplement.
    Both gates are normalised as one vector, the candidate on its own; the reset gate
    acts after the recurrent product. Trap: z lets the new in, as in the paper, where in
    `gru` and in the authors' code it keeps the old. b_u is the bias inside the reset.
    """
    xz, xr = normalised(x @ W.z, x @ W.r)
    hz, hr = normalised(h_prev @ U.z, h_prev @ U.r)
    z = sigmoid(k_x.z * xz + k_h.z * hz + b.z)
    r = sigmoid(k_x.r * xr + k_h.r * hr + b.r)
    recurrent = layer_norm(h_prev @ U.n, k_h.n, b_u)
    n = tanh(layer_norm(x @ W.n, k_x.n, b.n) + r * recurrent)
    h = (1 - z) * h_prev + z * n
    return h
