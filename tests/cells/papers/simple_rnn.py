"""Networks without gates."""

import numpy as np


def irnn(x, h, kernel, recurrent_kernel, bias):
    """Le, Jaitly, Hinton 2015: Elman's network with rectified linear units."""
    h = np.maximum(kernel.T @ x + recurrent_kernel.T @ h + bias, 0)
    return h, h


def jordan_rnn(x, y, kernel, recurrent_kernel, bias, output_kernel, output_bias):
    """Jordan 1986 as textbooks have it: h = act(W x + U y' + b), y = act(V h + c)."""
    W, U, V = kernel.T, recurrent_kernel.T, output_kernel.T
    h = np.tanh(W @ x + U @ y + bias)
    y = np.tanh(V @ h + output_bias)
    return y, y
