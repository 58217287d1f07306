"""Layer normalisation of LSTM and GRU."""

import numpy as np

from tests.cells.papers import sigmoid


def LN(z, alpha, beta):
    """Ba, Kiros, Hinton 2016, equation 19; epsilon as in the authors' code."""
    mu = sum(z) / len(z)
    variance = sum((value - mu) ** 2 for value in z) / len(z)
    return (z - mu) / np.sqrt(variance + 1e-5) * alpha + beta


def layer_norm_lstm(
    x, h, c, kernel, recurrent_kernel, bias, gain, cell_gain, cell_bias
):
    """Equations 20 to 22; the gates are one vector, here in the order i, f, g, o."""
    beta = np.zeros(len(bias))
    a = LN(recurrent_kernel.T @ h, gain[1], beta) + LN(kernel.T @ x, gain[0], beta)
    i, f, g, o = np.split(a + bias, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(LN(c, cell_gain, cell_bias))
    return h, h, c


def layer_norm_gru(x, h, kernel, recurrent_kernel, bias, gain, recurrent_bias):
    """The GRU of the supplement: z and r are one vector, the candidate another."""
    units = len(h)
    gates, rest = slice(2 * units), slice(2 * units, None)
    W, U = kernel.T, recurrent_kernel.T
    beta = np.zeros(2 * units)
    a = LN(U[gates] @ h, gain[1, gates], beta) + LN(W[gates] @ x, gain[0, gates], beta)
    z, r = np.split(a + bias[gates], 2)
    back = LN(U[rest] @ h, gain[1, rest], recurrent_bias)
    n = np.tanh(LN(W[rest] @ x, gain[0, rest], bias[rest]) + sigmoid(r) * back)
    h = (1 - sigmoid(z)) * h + sigmoid(z) * n
    return h, h
