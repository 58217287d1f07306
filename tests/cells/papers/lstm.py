"""Long short-term memory and its relatives."""

import numpy as np

from tests.cells.papers import parts, sigmoid


def lstm_projection(x, h, c, kernel, recurrent_kernel, bias, projection_kernel):
    """Sak, Senior, Beaufays 2014, equations 7 to 13 without peepholes; h is r_t."""
    (W_i, W_f, W_c, W_o), (U_i, U_f, U_c, U_o) = (
        parts(kernel, 4),
        parts(recurrent_kernel, 4),
    )
    b_i, b_f, b_c, b_o = parts(bias, 4)
    i = sigmoid(W_i @ x + U_i @ h + b_i)
    f = sigmoid(W_f @ x + U_f @ h + b_f)
    c = f * c + i * np.tanh(W_c @ x + U_c @ h + b_c)
    o = sigmoid(W_o @ x + U_o @ h + b_o)
    m = o * np.tanh(c)
    r = projection_kernel.T @ m
    return r, r, c
