"""Cells with several layers of arithmetic in a step."""

import numpy as np

from tests.cells.papers import parts, sigmoid


def nas(x, h, c, kernel, recurrent_kernel, bias):
    """Zoph, Le 2017, the cell of figure 8 on the left, level by level."""
    inputs = [W @ x for W in parts(kernel, 8)]
    states = [
        U @ h + b
        for U, b in zip(parts(recurrent_kernel, 8), parts(bias, 8), strict=True)
    ]
    combined = [a + s for a, s in zip(inputs, states, strict=True)]
    combined[3] = inputs[3] * states[3]
    functions = [sigmoid, relu, sigmoid, relu, np.tanh, sigmoid, np.tanh, sigmoid]
    first = [f(a) for f, a in zip(functions, combined, strict=True)]
    second = [
        np.tanh(first[0] * first[1]),
        np.tanh(first[2] + first[3]),
        np.tanh(first[4] * first[5]),
        sigmoid(first[6] + first[7]),
    ]
    c = np.tanh(second[0] + c) * second[1]
    h = np.tanh(c * np.tanh(second[2] + second[3]))
    return h, h, c


def relu(z):
    return np.maximum(z, 0)


def rhn(x, s, kernel, recurrent_kernel, bias):
    """Zilly et al. 2017, equations 6 to 9, with c = 1 - t and any depth."""
    W_H, W_T = parts(kernel, 2)
    depth = recurrent_kernel.shape[1] // len(s) // 2
    R, b = parts(recurrent_kernel, 2 * depth), parts(bias, 2 * depth)
    for layer in range(depth):
        R_H, R_T = R[2 * layer : 2 * layer + 2]
        b_H, b_T = b[2 * layer : 2 * layer + 2]
        h = np.tanh((W_H @ x) * (layer == 0) + R_H @ s + b_H)
        t = sigmoid((W_T @ x) * (layer == 0) + R_T @ s + b_T)
        c = 1 - t
        s = h * t + s * c
    return s, s
