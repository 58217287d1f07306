"""Checks a cell before anybody trains it: gradient, kernel, stability, cost.

All but the cost is in float64. The interpreter says what is right, and how the states
of a fresh network behave.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import keras
import numpy as np

from refrain import layers
from refrain.bridge.numpy import call_by_name
from refrain.bridge.programs import (
    arguments_of,
    kernel_of,
    results_of,
    run_backward,
    run_forward,
)
from refrain.cells import Cell, SizedCell
from refrain.cells.cost import number, parameters, products
from refrain.derive.through_time import gradient_through_time
from refrain.graph.evaluate import Arrays, run
from refrain.graph.graph import Graph
from refrain.graph.linear import linear_levels
from refrain.runtime.driver import Request, kernel_for
from refrain.runtime.report import rehearsals
from refrain.study.flow import step_jacobian
from refrain.study.walk import walk

# Limits of errors, of what a small change of the states may grow by in a step (tenfold
# in ten), and of the states themselves.
GRADIENT, KERNEL, GROWTH, LARGEST = 1e-5, 1e-9, 10**0.1, 1e6
_SMALL = (3, 9)  # features and units where sizes do not matter: odd, and no multiple
_STEPS, _BATCH = 7, 3
_BEFORE, _JACOBIANS, _LONG, _TIMED = 10, 20, 1000, 200


@dataclass(frozen=True)
class Checked:
    """What was found of a cell with its default options.

    Attributes:
        name: the cell's.
        parameters, multiply_adds: as numbers; the latter of one step of one sample.
        linear: the cell is linear in its states.
        gradient_error: relative error of the derived gradient along a random direction,
            against a difference.
        kernel_error: relative error of the kernel's results and gradients.
        radius: spectral radius of a step's Jacobian in a fresh network, states after by
            states before; median of some steps.
        growth: by what a small change of the states grows in a step, at most: the root
            of the norm of the product of those Jacobians.
        largest: largest number in a state in a thousand steps.
        step_us: microseconds that the kernel takes for a step of one sample.
        faults: what is wrong, in words; empty where nothing is.
    """

    name: str
    parameters: int
    multiply_adds: int
    linear: bool
    gradient_error: float
    kernel_error: float
    radius: float
    growth: float
    largest: float
    step_us: float
    faults: tuple[str, ...]


def check_cell(cell: Cell, features: int, units: int, seed: int = 0) -> Checked:
    """Check a cell.

    Args:
        cell: any cell; its other sizes are taken as large as `units`.
        features, units: sizes for the cost and for stability.
        seed: of the random input, and of Keras, whose random numbers start anew.
    """
    small = _Trial(cell, *_SMALL, seed)
    trial = _Trial(cell, features, units, seed)
    jacobians = trial.jacobians()
    found = {
        "gradient_error": small.gradient_error(),
        "kernel_error": small.kernel_error(),
        "radius": float(np.median([_radius(j) for j in jacobians])),
        "growth": _growth(jacobians),
        "largest": trial.largest_state(),
    }
    sizes = {"features": features, **trial.sized.sizes}
    graph = cell.graph()
    return Checked(
        cell.name,
        number(parameters(cell), sizes),
        number(products(graph), sizes),
        bool(linear_levels(graph, list(cell.states))),
        **found,
        step_us=_step_us(trial.sized, features),
        faults=(*_unused(graph), *_faults(**found)),
    )


def _unused(graph: Graph) -> tuple[str, ...]:
    used = set(graph.nodes())
    names = [name for name, leaf in graph.leaves.items() if leaf not in used]
    return (f"in no equation: {', '.join(names)}",) if names else ()


def _faults(
    gradient_error: float,
    kernel_error: float,
    radius: float,
    growth: float,
    largest: float,
) -> tuple[str, ...]:
    if np.isnan([gradient_error, kernel_error, radius, growth, largest]).any():
        return ("a fresh network computes what is no number (NaN), or its gradient is",)
    wrong = []
    if gradient_error > GRADIENT:
        wrong.append(
            f"the gradient along a random direction is off by {gradient_error:.0e}: "
            "the equations have no derivative where a fresh network runs"
        )
    if kernel_error > KERNEL:
        wrong.append(f"the kernel is off by {kernel_error:.0e}: a fault of refrain")
    if growth > GROWTH:
        wrong.append(
            f"in a fresh network a small change of the states grows {growth:.2f}-fold "
            f"a step (spectral radius {radius:.2f}): its gradient explodes"
        )
    if largest > LARGEST:
        wrong.append(
            f"in a fresh network a state reaches {largest:.0e} within {_LONG:,} steps"
        )
    return tuple(wrong)


class _Trial:
    """A fresh network of one cell, and random input for it."""

    def __init__(self, cell: Cell, features: int, units: int, seed: int):
        self.sized = cell(**dict.fromkeys(cell.sizes, units))
        self.graph = self.sized.graph
        self.features = features
        self.rng = np.random.default_rng(seed)
        self.variables = _fresh(self.sized, features, seed)
        self.weights: dict[str, np.ndarray] = {}
        for variable in self.sized.variables(features):
            self.weights |= variable.unpack(self.variables[variable.name])

    def input(self, batch: int, steps: int) -> np.ndarray:
        return self.rng.normal(size=(batch, steps, self.features))

    def zeros(self, batch: int) -> dict[str, np.ndarray]:
        sizes = zip(self.sized.cell.states, self.sized.state_size, strict=True)
        return {state: np.zeros((batch, size)) for state, size in sizes}

    def like(self, arrays: Arrays) -> dict[str, np.ndarray]:
        return {n: self.rng.normal(size=a.shape) for n, a in arrays.items()}

    def entering(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Input, and states as a network has them once it is on its way."""
        before = self.input(_BATCH, _BEFORE)
        _, history = run(self.graph, before, self.zeros(_BATCH), self.weights)
        return self.input(_BATCH, _STEPS), {s: a[:, -1] for s, a in history.items()}

    def gradient_error(self) -> float:
        x, states = self.entering()
        outputs, history = run(self.graph, x, states, self.weights)
        grad_y = self.rng.normal(size=outputs.shape)
        grad_last = self.like({s: h[:, -1] for s, h in history.items()})
        exact = gradient_through_time(
            self.graph, x, states, self.weights, grad_y, grad_last
        )
        along = self.like({n.removeprefix("grad_"): g for n, g in exact.items()})

        def loss(shift: float) -> float:
            moved = {s: v + shift * along[f"{s}_prev"] for s, v in states.items()}
            weights = {n: v + shift * along[n] for n, v in self.weights.items()}
            y, after = run(self.graph, x + shift * along["x"], moved, weights)
            last = sum((g * after[s][:, -1]).sum() for s, g in grad_last.items())
            return float((grad_y * y).sum() + last)

        slope = sum((exact[f"grad_{n}"] * d).sum() for n, d in along.items())
        numeric = (loss(1e-6) - loss(-1e-6)) / 2e-6
        return float(abs(slope - numeric) / max(1.0, abs(numeric)))

    def kernel_error(self) -> float:
        x, states = self.entering()
        y, history = run(self.graph, x, states, self.weights)
        right = {"y": y, **{f"last_{s}": h[:, -1] for s, h in history.items()}}
        arriving = self.like(right)
        grad_last = {s: arriving[f"last_{s}"] for s in states}
        exact = gradient_through_time(
            self.graph, x, states, self.weights, arriving["y"], grad_last
        )
        right |= {n: exact[n] for n in ("grad_x", *(f"grad_{s}_prev" for s in states))}
        right |= {f"grad_{name}": exact[f"grad_{name}"] for name in self.weights}
        found = self._by_kernel(x, states, arriving)
        errors = [_error(found[name], value) for name, value in right.items()]
        return float(np.max(errors))

    def _by_kernel(self, x: np.ndarray, states: Arrays, arriving: Arrays) -> dict:
        """The kernel's results, and its gradients by leaf."""
        request = Request(self.sized, self.features, "float64", training=True)
        kernel = kernel_of(request, x, training=True)
        given = arguments_of(
            kernel, request, {"x": x}, self.variables, [*states.values()], np.zeros
        )
        results, tape = run_forward(kernel, call_by_name, given)
        names = results_of(kernel)
        found = dict(zip(names, results, strict=True))
        grads = run_backward(
            kernel, call_by_name, given, tape, [arriving[name] for name in names]
        )
        names = [buffer.name for buffer in kernel.forward.program.inputs]
        by_name = dict(zip(names, grads, strict=True))
        found["grad_x"] = by_name["x"]
        found |= {f"grad_{s}_prev": by_name[f"first_{s}"] for s in states}
        for variable in self.sized.variables(self.features):
            parts = variable.unpack(by_name[variable.name])
            found |= {f"grad_{name}": part for name, part in parts.items()}
        return found

    def jacobians(self) -> list[np.ndarray]:
        """Of some steps: new states, a row each, by old ones."""
        way = walk(self.sized, self.weights, self.input(1, _BEFORE + _JACOBIANS))
        return [step_jacobian(way, t)[0] for t in range(_BEFORE, way.steps)]

    def largest_state(self) -> float:
        _, history = run(self.graph, self.input(2, _LONG), self.zeros(2), self.weights)
        # NaN is the largest of all.
        return float(max(np.abs(h).max() for h in history.values()))


def _fresh(sized: SizedCell, features: int, seed: int) -> dict[str, np.ndarray]:
    """First values of a layer's weights, by variable; JAX gives them in float32."""
    keras.utils.set_random_seed(seed)
    layer = layers.RNN(sized, name="checked")
    layer.build((None, None, features))
    return {v.name: np.asarray(v.value, float) for v in layer.weights}


def _error(found: np.ndarray, exact: np.ndarray) -> float:
    scale = max(1.0, float(np.abs(exact).max(initial=0.0)))
    return float(np.abs(found - exact).max(initial=0.0)) / scale


def _radius(jacobian: np.ndarray) -> float:
    finite = np.isfinite(jacobian).all()
    return float(np.abs(np.linalg.eigvals(jacobian)).max()) if finite else np.nan


def _growth(jacobians: list[np.ndarray]) -> float:
    product = np.eye(len(jacobians[0]))
    for jacobian in jacobians:
        product = jacobian @ product
    finite = np.isfinite(product).all()
    return (
        float(np.linalg.norm(product, 2) ** (1 / len(jacobians))) if finite else np.nan
    )


def _step_us(sized: SizedCell, features: int) -> float:
    """The fastest of some runs: what else the processor does only adds to it."""
    kernel = kernel_for(Request(sized, features, rows=1))
    run = rehearsals(kernel, 1, _TIMED)["forward"]
    taken = []
    for _ in range(10):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return 1e6 * min(taken) / _TIMED
