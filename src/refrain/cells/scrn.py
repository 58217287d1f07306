"""Structurally constrained recurrent network."""

from refrain.cells.define import cell
from refrain.cells.weights import matrix
from refrain.graph.functions import sigmoid


@cell(
    state={"h": "units", "s": "context"},
    output="y",
    B=matrix("features", "context", "context_kernel"),
    P=matrix("context", "units", "context_to_hidden"),
    O=matrix("units", "units", "output_kernel"),
    V=matrix("context", "units", "context_output_kernel"),
)
def scrn(x, h_prev, s_prev, W, U, b, B, P, O, V, *, alpha=0.95):  # noqa: E741
    """Structurally constrained recurrent network (SCRN), beside its slow context.

    Source: Mikolov, Joulin, Chopra, Mathieu, Ranzato 2015, ICLR, arXiv 1412.7753.
    The context s is a running mean of inputs with a fixed `alpha`, and has a size of
    its own: `scrn(100, context=40)`. The output is the paper's, before its softmax. The
    bias is not in the paper: `use_bias=False` leaves it out.
    """
    s = (1 - alpha) * (x @ B) + alpha * s_prev
    h = sigmoid(s @ P + x @ W + h_prev @ U + b)
    y = h @ O + s @ V
    return y, h, s
