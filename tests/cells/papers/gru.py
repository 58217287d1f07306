"""The gated recurrent unit's relatives."""

import numpy as np

from tests.cells.papers import parts, sigmoid


def mgu(x, h, kernel, recurrent_kernel, bias):
    """Zhou et al. 2016, table 1: matrices on [h, x]."""
    W_f, W_h = (
        np.concatenate([U, W], axis=1)
        for U, W in zip(parts(recurrent_kernel, 2), parts(kernel, 2), strict=True)
    )
    b_f, b_h = parts(bias, 2)
    f = sigmoid(W_f @ np.concatenate([h, x]) + b_f)
    h_tilde = np.tanh(W_h @ np.concatenate([f * h, x]) + b_h)
    h = (1 - f) * h + f * h_tilde
    return h, h


def mut1(x, h, kernel, recurrent_kernel, bias):
    """Jozefowicz et al. 2015, MUT1, with W_xh x for x."""
    W_xz, W_xr, W_xh = parts(kernel, 3)
    W_hr, W_hh = parts(recurrent_kernel, 2)
    b_z, b_r, b_h = parts(bias, 3)
    z = sigmoid(W_xz @ x + b_z)
    r = sigmoid(W_xr @ x + W_hr @ h + b_r)
    h = np.tanh(W_hh @ (r * h) + np.tanh(W_xh @ x) + b_h) * z + h * (1 - z)
    return h, h


def mut2(x, h, kernel, recurrent_kernel, bias):
    """Jozefowicz et al. 2015, MUT2, with W_xr x for x in r."""
    W_xz, W_xr, W_xh = parts(kernel, 3)
    W_hz, W_hr, W_hh = parts(recurrent_kernel, 3)
    b_z, b_r, b_h = parts(bias, 3)
    z = sigmoid(W_xz @ x + W_hz @ h + b_z)
    r = sigmoid(W_xr @ x + W_hr @ h + b_r)
    h = np.tanh(W_hh @ (r * h) + W_xh @ x + b_h) * z + h * (1 - z)
    return h, h


def mut3(x, h, kernel, recurrent_kernel, bias):
    """Jozefowicz et al. 2015, MUT3."""
    W_xz, W_xr, W_xh = parts(kernel, 3)
    W_hz, W_hr, W_hh = parts(recurrent_kernel, 3)
    b_z, b_r, b_h = parts(bias, 3)
    z = sigmoid(W_xz @ x + W_hz @ np.tanh(h) + b_z)
    r = sigmoid(W_xr @ x + W_hr @ h + b_r)
    h = np.tanh(W_hh @ (r * h) + W_xh @ x + b_h) * z + h * (1 - z)
    return h, h


def ugrnn(x, h, kernel, recurrent_kernel, bias):
    """Collins et al. 2017, the equations of UGRNN."""
    W_gx, W_cx = parts(kernel, 2)
    W_gh, W_ch = parts(recurrent_kernel, 2)
    b_g, b_c = parts(bias, 2)
    c = np.tanh(W_ch @ h + W_cx @ x + b_c)
    g = sigmoid(W_gh @ h + W_gx @ x + b_g)
    h = g * h + (1 - g) * c
    return h, h


def ligru(x, h, kernel, recurrent_kernel, bias):
    """Ravanelli et al. 2018, equations 7 to 9, with W x + b for the normalised W x."""
    W_z, W_h = parts(kernel, 2)
    U_z, U_h = parts(recurrent_kernel, 2)
    b_z, b_h = parts(bias, 2)
    z = sigmoid(W_z @ x + b_z + U_z @ h)
    candidate = np.maximum(W_h @ x + b_h + U_h @ h, 0)
    h = z * h + (1 - z) * candidate
    return h, h


def janet(x, h, kernel, recurrent_kernel, bias, beta=1.0):
    """Van der Westhuizen, Lasenby 2018, equations 4 to 7."""
    W_f, W_c = parts(kernel, 2)
    U_f, U_c = parts(recurrent_kernel, 2)
    b_f, b_c = parts(bias, 2)
    s = U_f @ h + W_f @ x + b_f
    c_tilde = np.tanh(U_c @ h + W_c @ x + b_c)
    c = sigmoid(s) * h + (1 - sigmoid(s - beta)) * c_tilde
    return c, c
