"""The cells once more, by hand from their papers, in NumPy: what equations must equal.

Written independently of refrain, for one sample at one step, with the weights as the
papers have them: matrices on the left of column vectors. One file a family, as in
`refrain.cells`; a function has the name of its cell, takes the input, the states and
the packed variables, and returns the output and the new states.
"""

import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def parts(variable, count):
    """The parts of a packed variable, each as its paper has it: outputs × inputs."""
    return [part.T for part in np.split(variable, count, axis=-1)]
