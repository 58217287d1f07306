"""What a request means, step by step in NumPy: results and gradients by name."""

from dataclasses import dataclass

import numpy as np

from refrain.derive.reverse import reverse
from refrain.graph.evaluate import evaluate
from refrain.runtime.driver import Request, step_graph
from tests.randoms import random_states, random_weights, unpacked


@dataclass(frozen=True)
class Point:
    """Numbers for all that enters a kernel, and gradients for all that leaves it."""

    request: Request
    inputs: dict[str, np.ndarray]
    variables: dict[str, np.ndarray]
    states: dict[str, np.ndarray]
    arriving: dict[str, np.ndarray]


def random_point(request: Request, rng, batch: int = 3, timesteps: int = 5) -> Point:
    """A point for a request, in its dtype."""
    sized, names = request.sized, step_graph(request)[1]
    states = random_states(sized, batch, rng)
    inputs = {"x": rng.normal(size=(batch, timesteps, request.features))}
    if request.lookup:
        inputs["x"] = rng.integers(0, request.features, (batch, timesteps, 1))
    for name in request.dropout:
        size = request.features if name.startswith("dropout") else sized.state_size[0]
        inputs[name] = rng.integers(0, 2, size=(batch, size)) * 1.25
    sizes = dict(zip(sized.cell.states, sized.state_size, strict=True))
    for state, rate in request.zoneout:
        if rate is None:
            shape = batch, timesteps, sizes[state]
            inputs[f"zoneout.{state}"] = rng.integers(0, 2, size=shape) * 1.0
    if request.resets:
        inputs["resets"] = rng.integers(0, 2, size=(batch, timesteps)) * 1.0
        inputs["resets"][-1:] = 0  # a sample that is one sequence
    if request.mask:
        inputs["mask"] = rng.integers(0, 2, size=(batch, timesteps)) * 1.0
        inputs["mask"][0] = 0  # a sample that is skipped as a whole
    units = sized.output_size
    sizes = dict(zip(names, (*sized.state_size, units), strict=False))
    arriving = {f"last_{s}": rng.normal(size=(batch, n)) for s, n in sizes.items()}
    if request.sequence or request.every_state:
        arriving["y"] = rng.normal(size=(batch, timesteps, units))
    if request.every_state:
        for state in sized.cell.states:
            shape = batch, timesteps, sizes[state]
            arriving[f"every_{state}"] = rng.normal(size=shape)
    variables = random_weights(sized, request.features, rng)
    if request.trained_start:
        variables |= {v.name: rng.normal(size=v.shape) for v in sized.starts()}
    groups = inputs, variables, states, arriving
    return Point(
        request, *({n: _cast(a, request) for n, a in g.items()} for g in groups)
    )


def _cast(array: np.ndarray, request: Request) -> np.ndarray:
    return np.asarray(array, request.dtype)


def results(point: Point) -> tuple[dict, dict]:
    """What leaves the kernel, and the gradient for what enters it, in float64."""
    request = point.request
    graph, names = step_graph(request)
    gradient = reverse(graph)
    along = {n: point.inputs[n] for n in graph.moving}
    if request.against_time:
        along = {n: a[:, ::-1] for n, a in along.items()}
    still = {n: a for n, a in point.inputs.items() if n not in along}
    along = {n: a if a.ndim == 3 else a[..., None] for n, a in along.items()}
    still |= _weights(point)
    batch, timesteps = along["x"].shape[:2]
    carried = {**point.states}
    for name in names[len(carried) :]:
        carried[name] = np.zeros((batch, request.sized.output_size))
    moments, every = [], {}
    y = np.zeros((batch, timesteps, request.sized.output_size))
    for t in range(timesteps):
        values = {f"{s}_prev": a for s, a in carried.items()} | still
        values |= {n: a[:, t] for n, a in along.items()}
        moments.append({n: np.asarray(a, np.float64) for n, a in values.items()})
        step = evaluate(graph, moments[-1])
        carried = {s: step[s] for s in names}
        y[:, t] = step["output"]
        states = {f"every_{s}": step[s] for s in point.states}
        every = {n: [*every.get(n, []), a] for n, a in states.items()}
    found = {f"last_{s}": a for s, a in carried.items()}
    if "y" in point.arriving:
        found["y"] = y
    if request.every_state:
        found |= {n: np.stack(moments, axis=1) for n, moments in every.items()}
    return found, _gradients(point, gradient, names, moments)


def _gradients(point, gradient, names, moments):
    request, arriving = point.request, point.arriving
    carried = {s: arriving[f"last_{s}"] for s in names}
    nothing = np.zeros((len(point.inputs["x"]), request.sized.output_size))
    weights = _weights(point)
    total = {name: np.zeros(weight.shape) for name, weight in weights.items()}
    grad_x = np.zeros(point.inputs["x"].shape)
    for t in reversed(range(len(moments))):
        leaving = {f"grad_{s}": g for s, g in carried.items()}
        # A state that is the output leaves once, and brings both gradients.
        leaving["grad_output"] = arriving["y"][:, t] if "y" in arriving else nothing
        for state in point.states if request.every_state else ():
            leaving[f"grad_every_{state}"] = arriving[f"every_{state}"][:, t]
            if f"grad_every_{state}" not in gradient.leaves:
                leaving["grad_output"] = (
                    leaving["grad_output"] + arriving[f"every_{state}"][:, t]
                )
        step = evaluate(gradient, moments[t] | leaving)
        carried = {s: step[f"grad_{s}_prev"] for s in names}
        grad_x[:, t] = step["grad_x"]
        for name in total:
            total[name] += _summed(step[f"grad_{name}"], total[name])
    if request.against_time:
        grad_x = grad_x[:, ::-1]
    return {"x": grad_x, **{s: carried[s] for s in point.states}, **total}


def _weights(point: Point) -> dict[str, np.ndarray]:
    """All weights, one array a leaf of the graph."""
    request = point.request
    found = unpacked(request.sized, request.features, point.variables)
    names = [v.name for v in request.sized.starts() if v.name in point.variables]
    return found | {name: point.variables[name] for name in names}


def _summed(gradient: np.ndarray, weight: np.ndarray) -> np.ndarray:
    if weight.ndim == 2:
        return gradient
    return gradient.sum(0).reshape(weight.shape)
