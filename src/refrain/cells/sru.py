"""Simple recurrent unit."""

from refrain.cells.define import cell
from refrain.cells.weights import vector
from refrain.graph.functions import sigmoid


@cell(
    state="c",
    output="h",
    gates=("n", "f", "r", "s"),
    b=vector(variable="bias", gates=("f", "r")),
    v=vector(gates=("f", "r"), initializer="glorot_uniform", when="peephole"),
)
def sru(x, c_prev, W, b, v, *, peephole=True, scale=3**0.5):
    """Simple recurrent unit (SRU), with the state in its gates if `peephole`.

    Source: Lei, Zhang, Wang, Dai, Artzi 2018, EMNLP, arXiv 1709.02755.
    As in version 5: `peephole` is v, and `scale` is alpha, which keeps the variance
    through layers where the gates' biases start at 0. Without `peephole` the cell is
    linear in c, as in version 1 (which has a tanh of c besides). Trap: the highway
    needs as many features as units; like the authors' code for other sizes, it has a
    matrix.
    """
    f, r = x @ W.f + b.f, x @ W.r + b.r
    if peephole:
        f, r = f + v.f * c_prev, r + v.r * c_prev
    f, r = sigmoid(f), sigmoid(r)
    c = f * c_prev + (1 - f) * (x @ W.n)
    h = r * c + (1 - r) * (x @ W.s) * scale
    return h, c
