"""Independently recurrent neural network."""

import numpy as np

from refrain.cells.define import cell
from refrain.cells.weights import vector
from refrain.graph.functions import relu


def up_to_one(uniform: np.ndarray) -> np.ndarray:
    """As the paper draws u for a task that needs a memory of any length."""
    return uniform


@cell(state="h", u=vector(initializer=up_to_one))
def indrnn(x, h_prev, W, u, b, *, activation=relu):
    """Independently recurrent neural network (IndRNN).

    Source: Li, Li, Cook, Zhu, Gao 2018, CVPR, arXiv 1803.04831.
    A unit sees its own past alone, through one number; units mix in the next layer, so
    the paper stacks two or more. Traps: the paper keeps |u| below 2^(1/T) for sequences
    of T steps (a Keras constraint on `u`, not part of the equations); the batch
    normalisation that its deep networks put round the cell is left out.
    """
    h = activation(x @ W + u * h_prev + b)
    return h
