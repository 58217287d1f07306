"""AntisymmetricRNN: an ordinary differential equation at the edge of stability."""

from refrain.cells.define import cell
from refrain.cells.weights import matrix, vector
from refrain.graph.functions import sigmoid, tanh


@cell(
    state="h",
    U=matrix("units", "units", "recurrent_kernel", initializer="lecun_normal"),
    W_z=matrix(variable="gate_kernel", when="gated"),
    b_z=vector(variable="gate_bias", when="gated"),
)
def antisymmetric_rnn(
    x, h_prev, W, U, b, W_z, b_z, *, gated=False, epsilon=0.1, gamma=0.01
):
    """AntisymmetricRNN, with its input gate if `gated`.

    Source: Chang, Chen, Haber, Chi 2019, ICLR, arXiv 1902.09689.
    `epsilon` is the step of Euler's method, `gamma` the diffusion that makes up for its
    error; both are hyperparameters, which the paper tunes. Trap: gate and state share
    the antisymmetric matrix U - Uᵀ.
    """
    back = h_prev @ U - h_prev @ U.T - gamma * h_prev
    n = tanh(back + x @ W + b)
    if gated:
        n = sigmoid(back + x @ W_z + b_z) * n
    h = h_prev + epsilon * n
    return h
