"""Cells with a gate or a weighted residual, and those with an additive state."""

import numpy as np

from tests.cells.papers import parts, sigmoid


def indrnn(x, h, kernel, u, bias):
    """Li et al. 2018, equation 2: h = relu(W x + u ⊙ h' + b)."""
    h = np.maximum(kernel.T @ x + u * h + bias, 0.0)
    return h, h


def fast_rnn(x, h, kernel, recurrent_kernel, bias, alpha, beta):
    """Kusupati et al. 2018, equation 2: h = α h̃ + β h'."""
    new = np.tanh(kernel.T @ x + recurrent_kernel.T @ h + bias)
    h = sigmoid(alpha) * new + sigmoid(beta) * h
    return h, h


def fast_grnn(x, h, kernel, recurrent_kernel, bias, zeta, nu):
    """Kusupati et al. 2018: h = (ζ(1 - z) + ν) ⊙ h̃ + z ⊙ h'."""
    b_z, b_h = parts(bias, 2)
    z = sigmoid(kernel.T @ x + recurrent_kernel.T @ h + b_z)
    new = np.tanh(kernel.T @ x + recurrent_kernel.T @ h + b_h)
    h = (sigmoid(zeta) * (1 - z) + sigmoid(nu)) * new + z * h
    return h, h


def minimal_rnn(x, h, kernel, recurrent_kernel, latent_kernel, bias):
    """Chen 2017: z = Φ(x), u = σ(U_h h' + U_z z + b_u), h = u ⊙ h' + (1 - u) ⊙ z."""
    b_u, b_z = parts(bias, 2)
    z = np.tanh(kernel.T @ x + b_z)
    u = sigmoid(recurrent_kernel.T @ h + latent_kernel.T @ z + b_u)
    h = u * h + (1 - u) * z
    return h, h


def ran(x, h, c, kernel, recurrent_kernel, bias, g=np.tanh):
    """Lee et al. 2017: c = i ∘ W_cx x + f ∘ c', h = g(c)."""
    W_i, W_f, W_c = parts(kernel, 3)
    U_i, U_f = parts(recurrent_kernel, 2)
    b_i, b_f = parts(bias, 2)
    i = sigmoid(U_i @ h + W_i @ x + b_i)
    f = sigmoid(U_f @ h + W_f @ x + b_f)
    c = i * (W_c @ x) + f * c
    return g(c), g(c), c


def cfn(x, h, kernel, recurrent_kernel, bias):
    """Laurent, von Brecht 2017: h = θ ⊙ tanh(h') + η ⊙ tanh(W x)."""
    V_theta, V_eta, W = parts(kernel, 3)
    U_theta, U_eta = parts(recurrent_kernel, 2)
    b_theta, b_eta = parts(bias, 2)
    theta = sigmoid(U_theta @ h + V_theta @ x + b_theta)
    eta = sigmoid(U_eta @ h + V_eta @ x + b_eta)
    h = theta * np.tanh(h) + eta * np.tanh(W @ x)
    return h, h


def star(x, h, kernel, recurrent_kernel, bias):
    """Turkoglu et al. 2019: h = tanh((1 - k) ∘ h' + k ∘ z)."""
    W_x, W_z = parts(kernel, 2)
    b_k, b_z = parts(bias, 2)
    z = np.tanh(W_z @ x + b_z)
    k = sigmoid(W_x @ x + recurrent_kernel.T @ h + b_k)
    h = np.tanh((1 - k) * h + k * z)
    return h, h


def scrn(
    x,
    h,
    s,
    kernel,
    recurrent_kernel,
    bias,
    context_kernel,
    context_to_hidden,
    output_kernel,
    context_output_kernel,
    alpha=0.95,
):
    """Mikolov et al. 2015: context s, h = σ(P s + A x + R h'), output U h + V s."""
    A, B, R = kernel.T, context_kernel.T, recurrent_kernel.T
    P, U, V = context_to_hidden.T, output_kernel.T, context_output_kernel.T
    s = (1 - alpha) * (B @ x) + alpha * s
    h = sigmoid(P @ s + A @ x + R @ h + bias)
    return U @ h + V @ s, h, s


def slstm(x, h, c, n, m, kernel, recurrent_kernel, bias, forget=sigmoid):
    """Beck et al. 2024, equations 8 to 14, in plain exponentials.

    The stabilised c and n are the paper's unstabilised ones times exp(-m).
    """
    R, W = recurrent_kernel.T, kernel.T
    i, f, z, o = np.split(W @ x + R @ h + bias, 4)
    plain_c = forget(f) * c * np.exp(m) + np.exp(i) * np.tanh(z)
    plain_n = forget(f) * n * np.exp(m) + np.exp(i)
    h = sigmoid(o) * plain_c / plain_n
    m = np.maximum(np.log(forget(f)) + m, i)
    return h, h, plain_c * np.exp(-m), plain_n * np.exp(-m), m
