"""The three units that a search among mutations of the GRU found best."""

from refrain.cells.define import cell
from refrain.cells.weights import matrix
from refrain.graph.functions import sigmoid, tanh

GATES = ("z", "r", "n")


@cell(
    state="h",
    gates=GATES,
    U=matrix(
        "units", "units", "recurrent_kernel", gates=("r", "n"), initializer="orthogonal"
    ),
)
def mut1(x, h_prev, W, U, b):
    """Mutation 1 (MUT1): the update gate sees the input alone.

    Source: Jozefowicz, Zaremba, Sutskever 2015, ICML, PMLR 37.
    Traps: z lets the new in; the candidate takes tanh of the input. The paper writes
    tanh(x), which fits where the input has as many features as there are units; here x
    goes through W.n first.
    """
    z = sigmoid(x @ W.z + b.z)
    r = sigmoid(x @ W.r + h_prev @ U.r + b.r)
    n = tanh((r * h_prev) @ U.n + tanh(x @ W.n) + b.n)
    h = z * n + (1 - z) * h_prev
    return h


@cell(state="h", gates=GATES)
def mut2(x, h_prev, W, U, b):
    """Mutation 2 (MUT2): the reset gate sees the input as it is.

    Source: Jozefowicz, Zaremba, Sutskever 2015, ICML, PMLR 37.
    Trap: as the paper's x in r has no matrix, it fits where the input has as many
    features as there are units; here x goes through W.r first, and what is left of the
    difference to a GRU is that z lets the new in.
    """
    z = sigmoid(x @ W.z + h_prev @ U.z + b.z)
    r = sigmoid(x @ W.r + h_prev @ U.r + b.r)
    n = tanh((r * h_prev) @ U.n + x @ W.n + b.n)
    h = z * n + (1 - z) * h_prev
    return h


@cell(state="h", gates=GATES)
def mut3(x, h_prev, W, U, b):
    """Mutation 3 (MUT3): the update gate sees tanh of the state.

    Source: Jozefowicz, Zaremba, Sutskever 2015, ICML, PMLR 37.
    Trap: z lets the new in, where in `gru` it keeps the old.
    """
    z = sigmoid(x @ W.z + tanh(h_prev) @ U.z + b.z)
    r = sigmoid(x @ W.r + h_prev @ U.r + b.r)
    n = tanh((r * h_prev) @ U.n + x @ W.n + b.n)
    h = z * n + (1 - z) * h_prev
    return h
