"""Long expressive memory."""

from refrain.cells.define import cell
from refrain.graph.functions import sigmoid, tanh


@cell(state=("y", "z"), gates=("dz", "dy", "z", "y"))
def lem(x, y_prev, z_prev, W, U, b, *, dt=1.0):
    """Long expressive memory (LEM): two states, each with time scales that it learns.

    Source: Rusch, Mishra, Erichson, Mahoney 2022, ICLR, arXiv 2110.04744.
    `dt` is the largest step. Trap: the candidate of y reads the new z, all else the old
    y, so a step has two products one after the other.
    """
    step_z = dt * sigmoid(x @ W.dz + y_prev @ U.dz + b.dz)
    step_y = dt * sigmoid(x @ W.dy + y_prev @ U.dy + b.dy)
    z = (1 - step_z) * z_prev + step_z * tanh(x @ W.z + y_prev @ U.z + b.z)
    y = (1 - step_y) * y_prev + step_y * tanh(x @ W.y + z @ U.y + b.y)
    return y, z
