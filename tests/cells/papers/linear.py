"""Cells whose recurrence is linear, or nearly so."""

import numpy as np

from tests.cells.papers import parts, sigmoid


def qrnn(x, c, vz, vf, vo, kernel, bias):
    """Bradbury et al. 2017: a convolution of width 2, then fo-pooling.

    kernel[0] is the convolution's tap for the step before; v is what it gave there.
    """
    z, f, o = np.split(np.concatenate([vz, vf, vo]) + kernel[1].T @ x + bias, 3)
    c = sigmoid(f) * c + (1 - sigmoid(f)) * np.tanh(z)
    return sigmoid(o) * c, c, *np.split(kernel[0].T @ x, 3)


def sru(x, c, kernel, bias, v=None, alpha=3**0.5):
    """Lei et al. 2018, equations 1 to 4, the highway through a matrix of its own."""
    W, W_f, W_r, W_s = parts(kernel, 4)
    b_f, b_r = parts(bias, 2)
    v_f, v_r = parts(np.zeros_like(bias) if v is None else v, 2)
    f = sigmoid(W_f @ x + v_f * c + b_f)
    r = sigmoid(W_r @ x + v_r * c + b_r)
    c = f * c + (1 - f) * (W @ x)
    return r * c + (1 - r) * (W_s @ x) * alpha, c


def min_gru(x, h, kernel, bias):
    """Feng et al. 2024: h = (1 - z) ⊙ h' + z ⊙ h̃."""
    z, new = np.split(kernel.T @ x + bias, 2)
    h = (1 - sigmoid(z)) * h + sigmoid(z) * new
    return h, h


def min_lstm(x, h, kernel, bias):
    """Feng et al. 2024: both gates divided by their sum."""
    f, i, new = np.split(kernel.T @ x + bias, 3)
    f, i = sigmoid(f), sigmoid(i)
    h = f / (f + i) * h + i / (f + i) * new
    return h, h


def lru(x, re, im, kernel, eigenvalue, output_kernel):
    """Orvieto et al. 2023, in complex numbers."""
    B_re, B_im, D = parts(kernel, 3)
    C_re, C_im = parts(output_kernel, 2)
    nu, theta, gamma = parts(eigenvalue, 3)
    eigenvalues = np.exp(-np.exp(nu) + 1j * np.exp(theta))
    state = eigenvalues * (re + 1j * im) + np.exp(gamma) * ((B_re + 1j * B_im) @ x)
    y = ((C_re + 1j * C_im) @ state).real + D @ x
    return y, state.real, state.imag


def rg_lru(x, h, kernel, bias, decay):
    """De et al. 2024, equations 1 to 4: a = σ(Λ)^(8 r)."""
    r, i, n = np.split(kernel.T @ x + bias, 3)
    a = sigmoid(decay) ** (8 * sigmoid(r))
    h = a * h + np.sqrt(1 - a**2) * (sigmoid(i) * n)
    return h, h
