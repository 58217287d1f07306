"""Light gated recurrent unit."""

from refrain.cells.define import cell
from refrain.graph.functions import relu, sigmoid


@cell(state="h", gates=("z", "n"))
def ligru(x, h_prev, W, U, b, *, activation=relu, recurrent_activation=sigmoid):
    """Light gated recurrent unit (LiGRU): no reset gate, and a relu.

    Source: Ravanelli, Brakel, Omologo, Bengio 2018, IEEE TETCI, arXiv 1803.10225.
    Left out: the batch normalisation of the input's products, since a step sees one
    sample; b stands in for its shift. Normalise before the layer instead. Trap: without
    it nothing bounds the relu, and the state can grow.
    """
    z = recurrent_activation(x @ W.z + h_prev @ U.z + b.z)
    n = activation(x @ W.n + h_prev @ U.n + b.n)
    h = z * h_prev + (1 - z) * n
    return h
