"""Real-gated linear recurrent unit."""

import numpy as np

from refrain.cells.define import cell
from refrain.cells.weights import vector
from refrain.graph.functions import exp, expm1, maximum, sigmoid, softplus, sqrt

C = 8.0  # the paper's constant: how much faster than at a a unit can forget


def slow(uniform: np.ndarray) -> np.ndarray:
    """sigmoid(result) ** C is uniform between 0.9 and 0.999."""
    a = (0.9 + 0.099 * uniform) ** (1 / C)
    return np.log(a / (1 - a))


@cell(state="h", gates=("r", "i", "n"), decay=vector(initializer=slow))
def rg_lru(x, h_prev, W, b, decay):
    """Real-gated linear recurrent unit (RG-LRU), linear in its state.

    Source: De, Smith, Fernando, Botev et al. 2024, arXiv 2402.19427.
    a = sigmoid(decay) ** (C r), computed as a logarithm; `decay` is Λ. Traps: the paper
    feeds the cell what a linear layer made, here n, so that it fits any input; its
    gates have block-diagonal matrices, here full ones. sqrt(1 - a²) has no slope at a =
    1, so it stops at 1e-6.
    """
    r = sigmoid(x @ W.r + b.r)
    i = sigmoid(x @ W.i + b.i)
    n = x @ W.n + b.n
    log_a = -C * softplus(-decay) * r
    h = exp(log_a) * h_prev + sqrt(maximum(-expm1(2 * log_a), 1e-12)) * (i * n)
    return h
