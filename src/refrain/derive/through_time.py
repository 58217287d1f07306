"""Back-propagation through time in NumPy: the definition of a cell's gradient.

The derived graph of one step is run from the last step to the first. Kernels'
gradients are tested against it, and it against directional differences.
"""

from __future__ import annotations

import numpy as np

from refrain.derive.reverse import reverse, weights_of
from refrain.graph.evaluate import Arrays, evaluate, run
from refrain.graph.graph import Graph


def gradient_through_time(
    graph: Graph,
    x: np.ndarray,
    states: Arrays,
    weights: Arrays,
    grad_outputs: np.ndarray,
    grad_states: Arrays,
) -> dict[str, np.ndarray]:
    """Gradient of a scalar loss of a whole sequence.

    Args:
        graph: one step of the cell.
        x: `(batch, timesteps, features)`.
        states: first states by name, each `(batch, size)`.
        weights: an array for each weight leaf.
        grad_outputs: gradient of the loss for every output,
            `(batch, timesteps, units)`.
        grad_states: the same for the last states, by name.

    Returns:
        `grad_x` `(batch, timesteps, features)`; `grad_<state>_prev` for the first
        states; `grad_<weight>` for each weight, summed over samples and steps.
    """
    backward = reverse(graph)
    _, history = run(graph, x, states, weights)
    before = {
        s: np.concatenate([np.asarray(states[s])[:, None], history[s]], axis=1)
        for s in states
    }
    names = weights_of(graph, states)
    total = {n: np.zeros_like(np.asarray(weights[n])) for n in names}
    carried = {s: np.asarray(g) for s, g in grad_states.items()}
    grad_x = np.zeros_like(x)
    for t in reversed(range(x.shape[1])):
        values = {"x": x[:, t], "grad_output": grad_outputs[:, t], **weights}
        values |= {f"{s}_prev": before[s][:, t] for s in states}
        values |= {f"grad_{s}": carried[s] for s in states}
        step = evaluate(backward, values)
        grad_x[:, t] = step["grad_x"]
        carried = {
            s: np.broadcast_to(step[f"grad_{s}_prev"], carried[s].shape) for s in states
        }
        for name in names:
            total[name] = total[name] + _over_samples(step[f"grad_{name}"], total[name])
    result = {"grad_x": grad_x}
    result |= {f"grad_{s}_prev": carried[s] for s in states}
    return result | {f"grad_{name}": total[name] for name in names}


def _over_samples(gradient: np.ndarray, weight: np.ndarray) -> np.ndarray:
    if weight.ndim == 2:
        return gradient
    # One number stands for the whole gradient of a weight that has none.
    return np.broadcast_to(gradient.sum(0), weight.shape or (1,)).reshape(weight.shape)
