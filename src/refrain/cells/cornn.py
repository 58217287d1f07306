"""Coupled oscillatory recurrent network."""

from refrain.cells.define import cell
from refrain.cells.weights import matrix
from refrain.graph.functions import tanh


@cell(
    state=("y", "z"),
    U=matrix(
        "units",
        "units",
        "recurrent_kernel",
        gates=("y", "z"),
        initializer="glorot_uniform",
    ),
)
def cornn(x, y_prev, z_prev, W, U, b, *, dt=0.042, gamma=2.7, epsilon=4.7):
    """Coupled oscillatory recurrent network (coRNN).

    Source: Rusch, Mishra 2021, ICLR, arXiv 2010.00951.
    y is the position and z the speed of damped, driven oscillators. `dt`, `gamma` and
    `epsilon` (step, squared frequency, damping) are hyperparameters; the defaults are
    those of the paper's sequential MNIST. Trap: damping uses the old z, as in the
    authors' code, of the two forms that the paper gives.
    """
    drive = tanh(y_prev @ U.y + z_prev @ U.z + x @ W + b)
    z = z_prev + dt * (drive - gamma * y_prev - epsilon * z_prev)
    y = y_prev + dt * z
    return y, z
