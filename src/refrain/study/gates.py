"""What the gates of a cell do over real sequences: open, shut, hold, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from refrain.graph.diagram.forms import function_of
from refrain.graph.evaluate import evaluate
from refrain.graph.graph import Graph
from refrain.graph.node import Node
from refrain.graph.ops import OPS
from refrain.study.walk import Walk

EDGE = 0.05  # of its range: as near to an end counts as saturated
HOLDS = 0.9  # of the old state, from which on a step is one that holds it
DEAD = 0.01  # of the unit that varies most: one that varies less does nothing

_RANGES = {
    **dict.fromkeys(("sigmoid", "hard_sigmoid", "sparse_sigmoid"), (0.0, 1.0)),
    **dict.fromkeys(("tanh", "hard_tanh", "softsign"), (-1.0, 1.0)),
}


@dataclass(frozen=True)
class Gate:
    """A bounded value that the equations name, over all steps that count.

    Attributes:
        name: as in the equations, `f`.
        low, high: its range: 0 to 1 for a gate, -1 to 1 for a candidate.
        mean: over sequences, steps and units.
        near_low, near_high: shares within 5 % of the range from either end: shut and
            open for a gate.
        by_step: means over sequences and units, the last step last.
        by_unit: means over sequences and steps.
    """

    name: str
    low: float
    high: float
    mean: float
    near_low: float
    near_high: float
    by_step: tuple[float, ...]
    by_unit: tuple[float, ...]


@dataclass(frozen=True)
class Keep:
    """What a state keeps of itself: the factor in `c = f * c_prev + ...`.

    Attributes:
        state: `c`.
        factor: the name of the factor, `f` or `1 - f`; of one without a name, `kept`.
        mean: over sequences, steps and units.
        holds: share of time in which it is above 0.9.
        time_constants: of each unit, in steps: -1 / mean log factor, after which 37 %
            is left; infinite for one that forgets nothing.
    """

    state: str
    factor: str
    mean: float
    holds: float
    time_constants: tuple[float, ...]


@dataclass(frozen=True)
class Activity:
    """What a cell's gates and units do over sequences.

    Attributes:
        gates: in the order of the equations.
        keeps: of the states that are kept by a factor; others have none.
        units: numbers in the output.
        dead: those that hardly vary over all sequences and steps: their standard
            deviation is at most 1 % of the largest.
    """

    gates: tuple[Gate, ...]
    keeps: tuple[Keep, ...]
    units: int
    dead: int


def activity(walk: Walk) -> Activity:
    """What a cell's gates and units do; see `Activity`."""
    bounded, factors = _bounded(walk.sized.graph), _factors(walk)
    kept = {f"kept {state}": node for state, (_, node) in factors.items()}
    values = _values(walk, {name: node for name, (node, _) in bounded.items()} | kept)
    spread = walk.outputs[walk.counted].std(0)
    return Activity(
        gates=tuple(
            _gate(walk, name, values[name], *limits)
            for name, (_, limits) in bounded.items()
        ),
        keeps=tuple(
            _keep(walk, state, factor, values[f"kept {state}"])
            for state, (factor, _) in factors.items()
        ),
        units=len(spread),
        dead=int((spread <= DEAD * spread.max()).sum()),
    )


def activations(walk: Walk) -> dict[str, np.ndarray]:
    """Each gate at each step, `(batch, timesteps, units)`, by name."""
    bounded = _bounded(walk.sized.graph)
    return _values(walk, {name: node for name, (node, _) in bounded.items()})


def _bounded(graph: Graph) -> dict[str, tuple[Node, tuple[float, float]]]:
    """Named values that a function bounds, with their ranges; outputs are no gates."""
    results = set(graph.results.values())
    found = {}
    for name, node in graph.names.items():
        called = function_of(node)
        if node not in results and called and called[0] in _RANGES:
            found[name] = node, _RANGES[called[0]]
    return found


def _factors(walk: Walk) -> dict[str, tuple[str, Node]]:
    """What multiplies each old state where the new one is a sum with it."""
    graph = walk.sized.graph
    names = {node: name for name, node in graph.names.items()}
    found = {}
    for state in walk.states:
        old, pending = graph.leaves[f"{state}_prev"], [graph.results[state]]
        while pending:
            node = pending.pop()
            if node.op is OPS["add"]:
                pending += node.inputs
            elif node.op is OPS["subtract"]:
                pending.append(node.inputs[0])
            elif node.op is OPS["multiply"] and old in node.inputs:
                factor = node.inputs[1 - node.inputs.index(old)]
                found[state] = _name(factor, names), factor
    return found


def _name(factor: Node, names: dict[Node, str]) -> str:
    if factor.op is OPS["subtract"] and factor.inputs[0].attribute == 1.0:
        inner = names.get(factor.inputs[1])
        return names.get(factor) or (f"1 - {inner}" if inner else "kept")
    return names.get(factor, "kept")


def _values(walk: Walk, nodes: dict[str, Node]) -> dict[str, np.ndarray]:
    """Values at all steps, `(batch, timesteps, units)`; steps are taken as samples."""
    graph = replace(walk.sized.graph, results=nodes)
    leaves = {"x": walk.x} | {f"{n}_prev": s[:, :-1] for n, s in walk.states.items()}
    found = evaluate(graph, {**leaves, **walk.weights})
    steps = walk.x.shape[:2]
    widths = {
        name: [walk.sized.sizes[size] for size in node.shape] or [1]
        for name, node in nodes.items()
    }
    return {n: np.broadcast_to(v, (*steps, *widths[n])) for n, v in found.items()}


def _gate(walk: Walk, name: str, values: np.ndarray, low: float, high: float) -> Gate:
    there, edge = values[walk.counted], EDGE * (high - low)
    counted = walk.counted[..., None]
    by_step = (values * counted).mean(-1).sum(0) / walk.counted.sum(0)
    return Gate(
        name=name,
        low=low,
        high=high,
        mean=float(there.mean()),
        near_low=float((there < low + edge).mean()),
        near_high=float((there > high - edge).mean()),
        by_step=tuple(by_step.tolist()),
        by_unit=tuple(there.mean(0).tolist()),
    )


def _keep(walk: Walk, state: str, factor: str, values: np.ndarray) -> Keep:
    there = values[walk.counted]
    with np.errstate(divide="ignore"):  # nothing is kept, or everything
        constants = -1 / np.log(np.abs(there)).mean(0)
    constants = np.where(constants > 0, constants, np.inf)
    constants = np.where((there == 0).any(0), 0.0, constants)
    return Keep(
        state=state,
        factor=factor,
        mean=float(there.mean()),
        holds=float((there > HOLDS).mean()),
        time_constants=tuple(constants.tolist()),
    )
