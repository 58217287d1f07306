"""LSTM and GRU with layer normalisation."""

import operator
from functools import reduce

from refrain.cells.define import cell
from refrain.cells.weights import vector
from refrain.graph.functions import layer_norm, mean, sigmoid, sqrt, tanh
from refrain.graph.node import Node

LSTM_GATES = ("i", "f", "g", "o")
GRU_GATES = ("z", "r", "n")


def centre(*parts: Node) -> Node:
    """Mean of one vector that comes in parts."""
    return mean(reduce(operator.add, parts)) / len(parts)


def spread(*centred: Node, epsilon: float = 1e-5) -> Node:
    """Standard deviation of one vector in parts whose mean is 0."""
    squares = reduce(operator.add, [p * p for p in centred])
    return sqrt(mean(squares) / len(centred) + epsilon)


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
    m_x = centre(x @ W.i, x @ W.f, x @ W.g, x @ W.o)
    x_i, x_f = x @ W.i - m_x, x @ W.f - m_x
    x_g, x_o = x @ W.g - m_x, x @ W.o - m_x
    s_x = spread(x_i, x_f, x_g, x_o)
    m_h = centre(h_prev @ U.i, h_prev @ U.f, h_prev @ U.g, h_prev @ U.o)
    h_i, h_f = h_prev @ U.i - m_h, h_prev @ U.f - m_h
    h_g, h_o = h_prev @ U.g - m_h, h_prev @ U.o - m_h
    s_h = spread(h_i, h_f, h_g, h_o)
    i = sigmoid(k_x.i * (x_i / s_x) + k_h.i * (h_i / s_h) + b.i)
    f = sigmoid(k_x.f * (x_f / s_x) + k_h.f * (h_f / s_h) + b.f)
    g = tanh(k_x.g * (x_g / s_x) + k_h.g * (h_g / s_h) + b.g)
    o = sigmoid(k_x.o * (x_o / s_x) + k_h.o * (h_o / s_h) + b.o)
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
    m_x = centre(x @ W.z, x @ W.r)
    x_z, x_r = x @ W.z - m_x, x @ W.r - m_x
    s_x = spread(x_z, x_r)
    m_h = centre(h_prev @ U.z, h_prev @ U.r)
    h_z, h_r = h_prev @ U.z - m_h, h_prev @ U.r - m_h
    s_h = spread(h_z, h_r)
    z = sigmoid(k_x.z * (x_z / s_x) + k_h.z * (h_z / s_h) + b.z)
    r = sigmoid(k_x.r * (x_r / s_x) + k_h.r * (h_r / s_h) + b.r)
    recurrent = layer_norm(h_prev @ U.n, k_h.n, b_u)
    n = tanh(layer_norm(x @ W.n, k_x.n, b.n) + r * recurrent)
    h = (1 - z) * h_prev + z * n
    return h
