"""Cells that discretise a differential equation."""

import numpy as np

from tests.cells.papers import parts, sigmoid


def antisymmetric_rnn(
    x,
    h,
    kernel,
    recurrent_kernel,
    bias,
    gate_kernel=None,
    gate_bias=None,
    epsilon=0.1,
    gamma=0.01,
):
    """Chang et al. 2019, equations 10 to 12: (W - Wᵀ - γI) h' in state and gate."""
    W, V = recurrent_kernel.T, kernel.T
    A = W - W.T - gamma * np.eye(len(W))
    z = 1.0
    if gate_kernel is not None:
        z = sigmoid(A @ h + gate_kernel.T @ x + gate_bias)
    h = h + epsilon * z * np.tanh(A @ h + V @ x + bias)
    return h, h


def cornn(x, y, z, kernel, recurrent_kernel, bias, dt=0.042, gamma=2.7, epsilon=4.7):
    """Rusch, Mishra 2021, equation 3, damping with the old z."""
    W_y, W_z = parts(recurrent_kernel, 2)
    drive = np.tanh(W_y @ y + W_z @ z + kernel.T @ x + bias)
    z = z + dt * drive - dt * gamma * y - dt * epsilon * z
    y = y + dt * z
    return y, y, z


def lem(x, y, z, kernel, recurrent_kernel, bias, dt=1.0):
    """Rusch et al. 2022, equation 3."""
    V_1, V_2, V_z, V_y = parts(kernel, 4)
    W_1, W_2, W_z, W_y = parts(recurrent_kernel, 4)
    b_1, b_2, b_z, b_y = parts(bias, 4)
    # The paper's gate is (1 + tanh(u / 2)) / 2.
    dt_n = dt * 0.5 * (1 + np.tanh((W_1 @ y + V_1 @ x + b_1) / 2))
    dt_bar = dt * 0.5 * (1 + np.tanh((W_2 @ y + V_2 @ x + b_2) / 2))
    z = (1 - dt_n) * z + dt_n * np.tanh(W_z @ y + V_z @ x + b_z)
    y = (1 - dt_bar) * y + dt_bar * np.tanh(W_y @ z + V_y @ x + b_y)
    return y, y, z
