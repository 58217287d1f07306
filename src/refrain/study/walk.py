"""A cell over real sequences in float64, with what it had in mind before every step.

Gradient flow and gates are read from a walk. Steps that a mask leaves out are taken
out and every sequence ends at the last step, so that a lag counts steps that count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refrain.cells import SizedCell
from refrain.errors import DataError
from refrain.graph.evaluate import Arrays, evaluate
from refrain.graph.graph import OUTPUT


@dataclass(frozen=True)
class Walk:
    """A cell's way over sequences, which end together.

    Attributes:
        sized: the cell.
        weights: an array for each weight leaf (`W.i`).
        x: what it read, `(batch, timesteps, features)`, in the order of reading.
        states: each state before every step and after the last, by name,
            `(batch, timesteps + 1, size)`.
        outputs: of every step, `(batch, timesteps, size)`.
        counts: how many steps of each sequence count, `(batch,)`: the last ones.
        places: the step that reads each given step, or the last one before it that
            counts, `(batch, given timesteps)`; -1 where there is none.
    """

    sized: SizedCell
    weights: Arrays
    x: np.ndarray
    states: Arrays
    outputs: np.ndarray
    counts: np.ndarray
    places: np.ndarray

    @property
    def steps(self) -> int:
        """Steps of the longest sequence."""
        return self.x.shape[1]

    @property
    def counted(self) -> np.ndarray:
        """Which steps count, `(batch, timesteps)`."""
        return np.arange(self.steps) >= self.steps - self.counts[:, None]

    def before(self, step: int) -> dict[str, np.ndarray]:
        """Values of all leaves of the cell's equations at a step."""
        old = {f"{name}_prev": s[:, step] for name, s in self.states.items()}
        return {"x": self.x[:, step], **old, **self.weights}

    def aligned(self, values: np.ndarray) -> np.ndarray:
        """Gradients of outputs `(batch, given timesteps, size)` as steps of the walk.

        The output of a step that does not count is that of the one before.
        """
        found = np.zeros((len(self.x), self.steps, values.shape[-1]))
        samples, given = np.nonzero(self.places >= 0)
        places = self.places[samples, given]
        np.add.at(found, (samples, places), values[samples, given])
        return found


def walk(
    sized: SizedCell,
    weights: Arrays,
    x: np.ndarray,
    first: Arrays | None = None,
    mask: np.ndarray | None = None,
) -> Walk:
    """Run a cell over sequences.

    Args:
        sized: the cell with its sizes and options.
        weights: an array for each weight leaf (`W.i`); see `Variable.unpack`.
        x: `(batch, timesteps, features)`, in the order in which the cell reads it:
            turned round for one that reads against time.
        first: first states by name, `(batch, size)`; zeros where not given.
        mask: `(batch, timesteps)`, true where a step counts.

    Raises:
        DataError: no step counts, or a value is not finite.
    """
    x = np.asarray(x, np.float64)
    counted = np.ones(x.shape[:2], bool) if mask is None else np.asarray(mask, bool)
    if not counted.any():
        raise DataError(
            f"expected sequences with a step, received {len(x)} of {x.shape[1]} steps"
            + (", none of which counts" if x.size else "")
        )
    x, counts, places = _without_skipped(x, counted)
    if not np.isfinite(x).all():
        raise DataError(
            "expected sequences of finite numbers; received NaN or infinity"
        )
    weights = {name: np.asarray(w, np.float64) for name, w in weights.items()}
    sizes = dict(zip(sized.cell.states, sized.state_size, strict=True))
    now = {name: np.zeros((len(x), size)) for name, size in sizes.items()}
    now |= {name: np.asarray(s, np.float64) for name, s in (first or {}).items()}
    history = {name: [state] for name, state in now.items()}
    outputs = []
    for t in range(x.shape[1]):
        old = {f"{name}_prev": state for name, state in now.items()}
        step = evaluate(sized.graph, {"x": x[:, t], **old, **weights})
        begun = (t >= x.shape[1] - counts)[:, None]
        now = {name: np.where(begun, step[name], now[name]) for name in now}
        outputs.append(step[OUTPUT])
        for name, state in now.items():
            history[name].append(state)
    states = {name: np.stack(s, axis=1) for name, s in history.items()}
    return Walk(sized, weights, x, states, np.stack(outputs, 1), counts, places)


def _without_skipped(
    x: np.ndarray, counted: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`x`, `counts` and `places` of a walk."""
    counts = counted.sum(1)
    longest = counts.max()
    order = np.argsort(counted, axis=1, kind="stable")[:, -longest:]
    kept = np.take_along_axis(counted, order, axis=1)
    x = np.take_along_axis(x, order[..., None], axis=1)
    # Each given step gets the number of those that counted so far.
    so_far = counted.cumsum(1)
    places = np.where(so_far > 0, longest - counts[:, None] + so_far - 1, -1)
    return np.where(kept[..., None], x, 0.0), counts, places
