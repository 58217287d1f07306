"""The LSTM's forget gate, alone."""

import numpy as np

from refrain.cells.define import cell
from refrain.cells.weights import vector
from refrain.graph.functions import sigmoid, tanh

GATES = ("f", "n")
LONGEST = 200  # steps between a cause and its effect, which fresh biases allow for


def chrono(uniform: np.ndarray) -> np.ndarray:
    """Biases of a forget gate for memories of 1 to `LONGEST` - 1 steps.

    Source: Tallec, Ollivier 2018, ICLR, arXiv 1804.11188.
    """
    return np.log(1 + (LONGEST - 2) * uniform)


@cell(
    state="h",
    gates=GATES,
    b=vector(variable="bias", gates=GATES, by_gate={"f": chrono}),
)
def janet(x, h_prev, W, U, b, *, beta=1.0):
    """Just another network (JANET): an LSTM with nothing but its forget gate.

    Source: van der Westhuizen, Lasenby 2018, arXiv 1804.04849.
    The old is kept by f, the new let in by a gate that `beta` opens a little more than
    1 - f. The biases of f start where a memory of up to 200 steps wants them; without
    that, the paper's results do not hold.
    """
    s = x @ W.f + h_prev @ U.f + b.f
    n = tanh(x @ W.n + h_prev @ U.n + b.n)
    h = sigmoid(s) * h_prev + (1 - sigmoid(s - beta)) * n
    return h
