"""Runs cells that are linear in their states as associative scans over time.

Nothing but prefixes of `factor * old + rest` follows from step to step; all else is
computed for all steps at once. The depth is the logarithm of the number of steps, which
suits processors with many lanes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

import keras
from keras import ops

from refrain.cells import SizedCell
from refrain.graph.changes import EVERY, Changes, changed
from refrain.graph.graph import OUTPUT
from refrain.graph.linear import Level, linear_levels
from refrain.layers.scan import Executor, Scanned, Weights, over_time

Tensor = Any
# Steps of a level: factors by new and old state, rests by (new state, "").
Steps = Mapping[tuple[str, str], Tensor]


def scan_at_once(
    sized: SizedCell,
    inputs: Mapping[str, Tensor],
    states: Sequence[Tensor],
    weights: Weights,
    changes: Changes,
    *,
    against_time: bool = False,
) -> Scanned:
    """Run a cell that is linear in its states over at least one step.

    Arguments and results are those of `scan.scan_cell`.
    """
    x, own = inputs["x"], tuple(sized.cell.states)
    graph, carried = changed(sized.graph, own, changes)
    executor = Executor(graph, weights, keras.backend.standardize_dtype(x.dtype))
    along = over_time(graph, inputs)
    if against_time:
        along = {
            n: ops.flip(v, 1) if n in graph.moving else v for n, v in along.items()
        }
    known = executor.leaves(along)
    batch, timesteps, _ = cast(Any, ops.shape(x))
    starts = {s: value[:, None] for s, value in zip(own, states, strict=True)}
    starts |= {
        s: ops.zeros((batch, 1, sized.output_size), x.dtype)
        for s in carried[len(own) :]
    }
    last: dict[str, Tensor] = {}
    for level in linear_levels(graph, carried):
        wanted = [*level.factors.values(), *level.rests.values()]
        known |= executor.compute(wanted, known)
        values = {key: known[node] for key, node in level.factors.items()}
        values |= {(s, ""): known[node] for s, node in level.rests.items()}
        first = {s: starts[s] for s in level.states}
        for s, after in _solved(level, values, first, x.shape[1]).items():
            before = ops.concatenate([first[s], after[:, :-1]], axis=1)
            known |= executor.leaves({f"{s}_prev": before})
            last[s] = after[:, -1]
    found = dict(zip(graph.results, executor.results(known), strict=True))
    sequences = {
        name: ops.broadcast_to(value, (batch, timesteps, value.shape[-1]))
        for name, value in found.items()
        if name == OUTPUT or name.startswith(EVERY)
    }
    return Scanned.of(sequences, {s: last[s] for s in own}, changes)


def _solved(
    level: Level, values: Steps, first: Mapping[str, Tensor], timesteps: int
) -> dict[str, Tensor]:
    """Every state of a level after every step, each `(batch, timesteps, size)`."""
    zero: dict[str, Tensor] = {s: ops.zeros_like(value) for s, value in first.items()}
    keys = [(new, old) for new in level.states for old in level.states if level.factors]

    def at_all_steps(key: tuple[str, str], like: Tensor) -> Any:
        value = values.get(key, 0.0) + like
        shape: Any = ops.shape(value)
        return ops.broadcast_to(value, (shape[0], timesteps, shape[2]))

    # Factors that are the same for all samples stay so: one sample wide.
    steps = {key: at_all_steps(key, zero[key[0]][:1]) for key in keys}
    for s in level.states:
        rest = at_all_steps((s, ""), zero[s])
        start = rest[:, :1]
        for old in level.states if keys else ():
            start = start + steps[s, old][:, :1] * first[old]
        steps[s, ""] = ops.concatenate([start, rest[:, 1:]], axis=1)
    if keys:
        steps = _prefixes(steps, partial(_one_after_the_other, level.states))
    return {s: steps[s, ""] for s in level.states}


def _one_after_the_other(states: tuple[str, ...], one: Steps, two: Steps) -> Steps:
    """What two steps, or ranges of steps, do to old states together."""
    made = {}
    for new, old in one:
        made[new, old] = sum(two[new, s] * one[s, old] for s in states)
        if not old:
            made[new, old] = made[new, old] + two[new, old]
    return made


def _prefixes(steps: Steps, combine: Any) -> Steps:
    """Every step combined with all before it (Blelloch 1990), along axis 1.

    keras.ops.associative_scan does the same, but on torch in float32 on a CPU alone.
    """
    count = next(iter(steps.values())).shape[1]
    if count == 1:
        return steps

    def part(steps: Steps, *where: int | None) -> Steps:
        return {key: value[:, slice(*where)] for key, value in steps.items()}

    pairs = combine(part(steps, 0, count - 1, 2), part(steps, 1, None, 2))
    odd = _prefixes(pairs, combine)
    even = part(steps, 0, 1)
    if count > 2:
        later = combine(part(odd, 0, (count - 1) // 2), part(steps, 2, None, 2))
        even = {k: ops.concatenate([even[k], later[k]], axis=1) for k in steps}
    return {key: _interleaved(even[key], odd[key]) for key in steps}


def _interleaved(even: Tensor, odd: Tensor) -> Tensor:
    """Values of even and of odd steps in the order of time."""
    pairs = odd.shape[1]
    shape: Any = ops.shape(odd)
    both = ops.stack([even[:, :pairs], odd], axis=2)
    together = ops.reshape(both, (shape[0], 2 * pairs, shape[2]))
    return ops.concatenate([together, even[:, pairs:]], axis=1)
