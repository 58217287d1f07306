"""Linear recurrent unit, its complex state as two real ones."""

import numpy as np

from refrain.cells.define import cell
from refrain.cells.weights import matrix, vector
from refrain.graph.functions import cos, exp, sin

GATES = ("re", "im", "skip")
SMALLEST, LARGEST = 0.9, 0.999  # absolute value of an eigenvalue of a fresh cell


def ring(uniform: np.ndarray) -> np.ndarray:
    """log(-log|λ|), log of λ's phase and log of the input's scale, for λ on a ring.

    Uniform over the ring's area, with any phase; the scale is sqrt(1 - |λ|²).
    """
    radius, phase, _ = np.split(uniform, 3)
    squared = SMALLEST**2 + radius * (LARGEST**2 - SMALLEST**2)
    nu = np.log(-0.5 * np.log(squared))
    theta = np.log(2 * np.pi * np.maximum(phase, 1e-6))
    return np.concatenate([nu, theta, 0.5 * np.log(1 - squared)])


def half_variance(uniform: np.ndarray) -> np.ndarray:
    """Variance 1 / (2 features): real and imaginary part together have 1 / features."""
    return (2 * uniform - 1) * np.sqrt(1.5 / len(uniform))


@cell(
    state=("re", "im"),
    output="y",
    gates=GATES,
    W=matrix(
        variable="kernel",
        gates=GATES,
        initializer=half_variance,
        by_gate={"skip": "lecun_uniform"},
    ),
    e=vector(variable="eigenvalue", gates=("nu", "theta", "gamma"), initializer=ring),
    C=matrix(
        "units",
        "units",
        "output_kernel",
        gates=("re", "im"),
        initializer="lecun_uniform",
    ),
)
def lru(x, re_prev, im_prev, W, e, C):
    """Linear recurrent unit (LRU), linear in its state.

    Source: Orvieto, Smith, Gu et al. 2023, ICML, arXiv 2303.06349.
    s = λ s' + exp(γ) B x and y = Re(C s) + D x, with λ = exp(-exp(ν) + i exp(θ)) for
    each unit; re and im are s; W holds B and D. λ starts on the ring 0.9 < |λ| < 0.999,
    which the paper uses for long sequences. Traps: the cell is the same at all times,
    so it cannot multiply two inputs; the paper's block has a normalisation, a gated
    layer and a residual round it.
    """
    size = exp(-exp(e.nu))
    a, b = size * cos(exp(e.theta)), size * sin(exp(e.theta))
    re = a * re_prev - b * im_prev + exp(e.gamma) * (x @ W.re)
    im = b * re_prev + a * im_prev + exp(e.gamma) * (x @ W.im)
    y = re @ C.re - im @ C.im + x @ W.skip
    return y, re, im
