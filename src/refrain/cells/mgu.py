"""Minimal gated unit."""

from refrain.cells.define import cell
from refrain.graph.functions import sigmoid, tanh


@cell(state="h", gates=("f", "n"))
def mgu(x, h_prev, W, U, b, *, activation=tanh, recurrent_activation=sigmoid):
    """Minimal gated unit (MGU): a GRU whose one gate resets and updates.

    Source: Zhou, Wu, Zhang, Zhou 2016, International Journal of Automation and
    Computing 13(3), arXiv 1603.09420.
    Trap: f lets the new in, though the paper calls it a forget gate; Flax has it the
    other way round, and resets after the product.
    """
    f = recurrent_activation(x @ W.f + h_prev @ U.f + b.f)
    n = activation(x @ W.n + (f * h_prev) @ U.n + b.n)
    h = (1 - f) * h_prev + f * n
    return h
