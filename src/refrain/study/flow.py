"""How far back a cell remembers, and how its gradient flows there: exact, by lag.

The step's gradient is derived from the equations and evaluated in float64 for all unit
vectors at once, which gives the Jacobian d state(t) / d state(t-1); its products from
the last step backwards give that of states k steps apart. With S numbers in a state, a
step takes S gradients of one sample and a product of S × S matrices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from refrain.derive.reverse import reverse
from refrain.derive.simplify import simplify
from refrain.graph.evaluate import Arrays, evaluate
from refrain.graph.graph import Graph
from refrain.study.walk import Walk

FADED = 0.01  # influence at which a state counts as forgotten


@dataclass(frozen=True)
class GradientFlow:
    """Derivatives of what a cell ends with, by how many steps they reach back.

    Figures are medians over the sequences that are long enough. A state is here all
    states of the cell side by side, `h` and `c` of an LSTM. Lag k is k steps before
    the end; tuples by lag begin with lag 0 unless something else is said.

    Attributes:
        cell: its name.
        sequences: how many there were.
        steps: of the longest.
        step_norm: largest factor by which one step can stretch a change of the state,
            ‖d state(t) / d state(t-1)‖₂, by lag; the first is that of the last step.
        influence: what is left of a change of the state k steps later, root mean
            square over its directions: ‖d state(t) / d state(t-k)‖ / √S in Frobenius's
            norm; 1 at lag 0.
        largest: the same for the direction that is left most, ‖ ‖₂.
        between: the influence of one state on another, `h/c` for d h(t) / d c(t-k).
        loss: norm of the gradient of the loss that comes back to a state from the
            steps after it, by state and lag, from lag 1; empty without a loss.
        horizon: the memory horizon, the lag from which the influence stays below 1 %;
            None where it is longer than the sequences.
    """

    cell: str
    sequences: int
    steps: int
    step_norm: tuple[float, ...]
    influence: tuple[float, ...]
    largest: tuple[float, ...]
    between: dict[str, tuple[float, ...]]
    loss: dict[str, tuple[float, ...]]
    horizon: int | None


def horizon(by_lag: tuple[float, ...]) -> int | None:
    """The lag from which figures stay below `FADED`; None where the last is not."""
    lasting = np.nonzero(~(np.array(by_lag) < FADED))[0]
    after = int(lasting[-1]) + 1 if lasting.size else 0
    return after if after < len(by_lag) else None


def gradient_flow(
    walk: Walk, grad_outputs: np.ndarray | None = None, grad_last: Arrays | None = None
) -> GradientFlow:
    """Measure a cell's memory and gradient flow over sequences.

    Args:
        walk: the cell's way over them; see `walk`.
        grad_outputs: gradient of a loss for every output, `(batch, timesteps, size)`,
            for steps as they were given to the walk.
        grad_last: the same for the last states, by name; zeros where not given.
    """
    norms, products, arriving = [], [], []
    for step, product in _products(walk):
        norms.append({"step": _spectral(step)})
        products.append(_figures(walk, product))
    if grad_outputs is not None:
        arriving = _arriving(walk, walk.aligned(grad_outputs), grad_last or {})
    found = _medians(walk, products, lag=0)
    influence = found.pop("influence")
    return GradientFlow(
        cell=walk.sized.cell.name,
        sequences=len(walk.x),
        steps=walk.steps,
        step_norm=_medians(walk, norms[1:], lag=1)["step"],
        influence=influence,
        largest=found.pop("largest"),
        between=found,
        loss=_medians(walk, arriving, lag=1),
        horizon=horizon(influence),
    )


def step_jacobian(walk: Walk, step: int) -> np.ndarray:
    """d state(after) / d state(before) of one step, `(batch, S, S)`.

    Rows are what changes, columns what is changed, all states side by side.
    """
    return _jacobian(walk, state_gradient(walk), step)


def state_gradient(walk: Walk) -> Graph:
    """The derived gradient of a step, for its old states alone."""
    graph = reverse(walk.sized.graph)
    wanted = {n: graph.results[n] for n in (f"grad_{s}_prev" for s in walk.states)}
    return simplify(replace(graph, results=wanted))


def _jacobian(walk: Walk, backward: Graph, step: int) -> np.ndarray:
    # A sample's values have an axis of length 1 where its unit vectors lie.
    values = {
        name: v if name in walk.weights else v[:, None]
        for name, v in walk.before(step).items()
    }
    eye, start = np.eye(sum(walk.sized.state_size)), 0
    for name, size in zip(walk.states, walk.sized.state_size, strict=True):
        values[f"grad_{name}"] = eye[None, :, start : start + size]
        start += size
    values["grad_output"] = np.zeros((1, 1, walk.sized.output_size))
    return np.concatenate(_of_states(walk, evaluate(backward, values), len(eye)), -1)


def _of_states(
    walk: Walk, found: dict[str, np.ndarray], *rows: int
) -> list[np.ndarray]:
    """Gradients of old states, each of its full size; a number may stand for zeros."""
    return [
        np.broadcast_to(found[f"grad_{name}_prev"], (len(walk.x), *rows, size))
        for name, size in zip(walk.states, walk.sized.state_size, strict=True)
    ]


def _products(walk: Walk) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """A step's Jacobian, and the product of all from the last step to it, by lag."""
    backward = state_gradient(walk)
    eye = np.eye(sum(walk.sized.state_size))
    product = np.broadcast_to(eye, (len(walk.x), *eye.shape))
    yield product, product
    for t in reversed(range(walk.steps)):
        step = _jacobian(walk, backward, t)
        with np.errstate(all="ignore"):  # what explodes may overflow
            product = product @ step
        yield step, product


def _figures(walk: Walk, product: np.ndarray) -> dict[str, np.ndarray]:
    """Influence, largest, and the influence between states, of each sample."""
    found = {"influence": _root_mean_square(product), "largest": _spectral(product)}
    edges = np.cumsum([0, *walk.sized.state_size])
    spans = [slice(*edge) for edge in pairwise(edges)]
    for new, rows in zip(walk.states, spans, strict=True):
        for old, columns in zip(walk.states, spans, strict=True):
            found[f"{new}/{old}"] = _root_mean_square(product[:, rows, columns])
    return found


def _root_mean_square(matrices: np.ndarray) -> np.ndarray:
    """Root mean square factor over the directions of what is changed."""
    with np.errstate(all="ignore"):
        return np.linalg.norm(matrices, axis=(-2, -1)) / np.sqrt(matrices.shape[-1])


def _spectral(matrices: np.ndarray) -> np.ndarray:
    """Largest singular value; infinite where a matrix has overflowed.

    From the eigenvalues of the Gram matrix, several times cheaper than the singular
    values themselves; the largest of them loses nothing by it.
    """
    size = np.abs(matrices).max((-2, -1))
    finite = np.isfinite(size)
    scale = np.where(finite & (size > 0), size, 1.0)
    even = np.where(finite[:, None, None], matrices, 0.0) / scale[:, None, None]
    squared = np.linalg.eigvalsh(even @ even.swapaxes(-2, -1))[:, -1]
    return np.where(finite, scale * np.sqrt(np.maximum(squared, 0.0)), np.inf)


def _arriving(
    walk: Walk, grad_outputs: np.ndarray, grad_last: Arrays
) -> list[dict[str, np.ndarray]]:
    """Norm of the loss's gradient for each state, by lag from 1."""
    backward = state_gradient(walk)
    carried = {n: np.zeros_like(s[:, -1]) for n, s in walk.states.items()}
    carried |= grad_last
    found = []
    for t in reversed(range(walk.steps)):
        values = walk.before(t) | {f"grad_{n}": g for n, g in carried.items()}
        values["grad_output"] = grad_outputs[:, t]
        step = _of_states(walk, evaluate(backward, values))
        carried = dict(zip(walk.states, step, strict=True))
        found.append({n: np.linalg.norm(g, axis=-1) for n, g in carried.items()})
    return found


def _medians(
    walk: Walk, by_lag: list[dict[str, np.ndarray]], lag: int
) -> dict[str, tuple[float, ...]]:
    """Medians over the sequences that are so long, of figures from a lag on."""
    return {
        name: tuple(
            float(np.median(figures[name][walk.counts >= k]))
            for k, figures in enumerate(by_lag, start=lag)
        )
        for name in (by_lag[0] if by_lag else ())
    }
