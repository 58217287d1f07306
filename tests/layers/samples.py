"""Cells that Keras does not have, as a user writes them."""

from refrain.cells import cell, vector
from refrain.functions import sigmoid, tanh


@cell(state="h", gates=("f", "n"))
def mgu(x, h_prev, W, U, b, *, activation=tanh):
    """Minimal gated unit (1603.09420)."""
    f = sigmoid(x @ W.f + h_prev @ U.f + b.f)
    n = activation(x @ W.n + (f * h_prev) @ U.n + b.n)
    return (1 - f) * h_prev + f * n


@cell(state=("s", "t"), output="y", p=vector(initializer="ones"))
def two_faced(x, s_prev, t_prev, W, U, b, p):
    """A cell whose output is none of its states."""
    s = tanh(x @ W + s_prev @ U + b)
    t = 0.5 * t_prev + p * s
    return s * t + 1.0, s, t
