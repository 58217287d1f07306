"""FastRNN, and FastGRNN, whose gate shares its matrices with the candidate."""

from refrain.cells.define import cell
from refrain.cells.weights import scalar, vector
from refrain.graph.functions import sigmoid, tanh


@cell(state="h", alpha=scalar(initializer=-3.0), beta=scalar(initializer=3.0))
def fast_rnn(x, h_prev, W, U, b, alpha, beta, *, activation=tanh):
    """Fast recurrent network (FastRNN): a simple one with a weighted residual.

    Source: Kusupati, Singh, Bhatia, Kumar, Jain, Varma 2018, NeurIPS, arXiv 1901.02358.
    Both weights of the residual are trained, and kept between 0 and 1 by a sigmoid;
    they start at sigmoid(-3) and sigmoid(3), as in the authors' code.
    """
    n = activation(x @ W + h_prev @ U + b)
    h = sigmoid(alpha) * n + sigmoid(beta) * h_prev
    return h


@cell(
    state="h",
    b=vector(variable="bias", gates=("z", "n"), initializer="ones"),
    zeta=scalar(initializer=1.0),
    nu=scalar(initializer=-4.0),
)
def fast_grnn(x, h_prev, W, U, b, zeta, nu, *, activation=tanh):
    """Fast gated recurrent network (FastGRNN).

    Source: Kusupati, Singh, Bhatia, Kumar, Jain, Varma 2018, NeurIPS, arXiv 1901.02358.
    Gate and candidate share W and U and differ in their bias alone. Trap: z keeps the
    old state, where many cells give their update gate the opposite sense. The paper
    also factors W and U into low rank and makes them sparse; that is left out.
    """
    p = x @ W + h_prev @ U
    z = sigmoid(p + b.z)
    n = activation(p + b.n)
    h = (sigmoid(zeta) * (1 - z) + sigmoid(nu)) * n + z * h_prev
    return h
