"""Quasi-recurrent network."""

from refrain.cells.define import cell
from refrain.cells.weights import matrix
from refrain.graph.functions import sigmoid, tanh

GATES = ("z", "f", "o")


@cell(
    state=("c", "vz", "vf", "vo"),
    output="h",
    gates=GATES,
    V=matrix(variable="kernel", gates=GATES),
)
def qrnn(x, c_prev, vz_prev, vf_prev, vo_prev, V, W, b):
    """Quasi-recurrent network (QRNN): convolutions of width 2, fo-pooling.

    Source: Bradbury, Merity, Xiong, Socher 2017, ICLR, arXiv 1611.01576.
    W reads the input of this step and V that of the step before. What V made of it is
    kept as states of the cell, so that a stream can go on step by step. Linear in its
    states, one after the other. Traps: before the first step the input counts as zero;
    the paper's zoneout is dropout of 1 - f. The bias is not in the paper:
    `use_bias=False` leaves it out.
    """
    z = tanh(x @ W.z + vz_prev + b.z)
    f = sigmoid(x @ W.f + vf_prev + b.f)
    o = sigmoid(x @ W.o + vo_prev + b.o)
    c = f * c_prev + (1 - f) * z
    h = o * c
    return h, c, x @ V.z, x @ V.f, x @ V.o
