"""The simple recurrent network, and the start that lets it remember."""

import math

import numpy as np

from refrain.cells.define import cell
from refrain.cells.weights import matrix
from refrain.graph.functions import relu, tanh


@cell(state="h")
def simple_rnn(x, h_prev, W, U, b, *, activation=tanh):
    """Simple (Elman) recurrent network.

    Source: Elman 1990, Cognitive Science 14, doi:10.1207/s15516709cog1402_1.
    """
    h = activation(x @ W + h_prev @ U + b)
    return h


def small(uniform: np.ndarray) -> np.ndarray:
    """Numbers of mean 0 and standard deviation 0.001."""
    return 0.001 * math.sqrt(12) * (uniform - 0.5)


@cell(
    state="h",
    W=matrix(variable="kernel", initializer=small),
    U=matrix("units", "units", "recurrent_kernel", initializer="identity"),
)
def irnn(x, h_prev, W, U, b):
    """Simple recurrent network of relus that starts as the identity (IRNN).

    Source: Le, Jaitly, Hinton 2015, arXiv 1504.00941.
    A fresh network copies its state. The kernel starts with the paper's standard
    deviation of 0.001, uniform where the paper's is normal. Trap: nothing bounds the
    state, so a large learning rate makes it explode.
    """
    h = relu(x @ W + h_prev @ U + b)
    return h
