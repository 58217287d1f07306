"""The simple recurrent network."""

from refrain.cells.define import cell
from refrain.graph.functions import tanh


@cell(state="h")
def simple_rnn(x, h_prev, W, U, b, *, activation=tanh):
    """Simple (Elman) recurrent network.

    Source: Elman 1990, Cognitive Science 14, doi:10.1207/s15516709cog1402_1.
    """
    h = activation(x @ W + h_prev @ U + b)
    return h
