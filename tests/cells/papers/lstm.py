"""Long short-term memory and its relatives."""

import numpy as np

from tests.cells.papers import parts, sigmoid


def lstm_1997(x, h, c, kernel, recurrent_kernel, bias):
    """Hochreiter, Schmidhuber 1997, section 4; y is h and s_c is c."""
    W_in, W_c, W_out = parts(kernel, 3)
    U_in, U_c, U_out = parts(recurrent_kernel, 3)
    b_in, b_c, b_out = parts(bias, 3)

    def f(net):
        return 1 / (1 + np.exp(-net))

    def g(net):  # range -2 to 2
        return 4 / (1 + np.exp(-net)) - 2

    def squash(s):  # the paper's h, range -1 to 1
        return 2 / (1 + np.exp(-s)) - 1

    y_in = f(W_in @ x + U_in @ h + b_in)
    y_out = f(W_out @ x + U_out @ h + b_out)
    s = c + y_in * g(W_c @ x + U_c @ h + b_c)
    y = y_out * squash(s)
    return y, y, s


def peephole_lstm(x, h, c, kernel, recurrent_kernel, bias, peephole):
    """Graves 2013, equations 7 to 11, with diagonal W_ci, W_cf and W_co."""
    W_i, W_f, W_c, W_o = parts(kernel, 4)
    U_i, U_f, U_c, U_o = parts(recurrent_kernel, 4)
    b_i, b_f, b_c, b_o = parts(bias, 4)
    P_i, P_f, P_o = map(np.diag, parts(peephole, 3))
    i = sigmoid(W_i @ x + U_i @ h + P_i @ c + b_i)
    f = sigmoid(W_f @ x + U_f @ h + P_f @ c + b_f)
    c = f * c + i * np.tanh(W_c @ x + U_c @ h + b_c)
    o = sigmoid(W_o @ x + U_o @ h + P_o @ c + b_o)
    h = o * np.tanh(c)
    return h, h, c


def coupled_lstm(x, h, c, kernel, recurrent_kernel, bias):
    """Greff et al. 2015, the variant CIFG, without peepholes; z is the candidate."""
    W_i, W_z, W_o = parts(kernel, 3)
    R_i, R_z, R_o = parts(recurrent_kernel, 3)
    b_i, b_z, b_o = parts(bias, 3)
    z = np.tanh(W_z @ x + R_z @ h + b_z)
    i = sigmoid(W_i @ x + R_i @ h + b_i)
    f = 1 - i
    c = z * i + c * f
    o = sigmoid(W_o @ x + R_o @ h + b_o)
    y = np.tanh(c) * o
    return y, y, c


def lstm_projection(x, h, c, kernel, recurrent_kernel, bias, projection_kernel):
    """Sak, Senior, Beaufays 2014, equations 7 to 13 without peepholes; r is h."""
    W_i, W_f, W_c, W_o = parts(kernel, 4)
    U_i, U_f, U_c, U_o = parts(recurrent_kernel, 4)
    b_i, b_f, b_c, b_o = parts(bias, 4)
    i = sigmoid(W_i @ x + U_i @ h + b_i)
    f = sigmoid(W_f @ x + U_f @ h + b_f)
    c = f * c + i * np.tanh(W_c @ x + U_c @ h + b_c)
    o = sigmoid(W_o @ x + U_o @ h + b_o)
    m = o * np.tanh(c)
    r = projection_kernel.T @ m
    return r, r, c


def multiplicative_lstm(x, h, c, kernel, recurrent_kernel, bias):
    """Krause et al. 2016, the equations of mLSTM."""
    W_mx, W_ix, W_fx, W_hx, W_ox = parts(kernel, 5)
    W_mh, W_im, W_fm, W_hm, W_om = parts(recurrent_kernel, 5)
    b_i, b_f, b_h, b_o = parts(bias, 4)
    m = (W_mx @ x) * (W_mh @ h)
    h_hat = W_hx @ x + W_hm @ m + b_h
    i = sigmoid(W_ix @ x + W_im @ m + b_i)
    o = sigmoid(W_ox @ x + W_om @ m + b_o)
    f = sigmoid(W_fx @ x + W_fm @ m + b_f)
    c = f * c + i * np.tanh(h_hat)
    h = np.tanh(c) * o
    return h, h, c
