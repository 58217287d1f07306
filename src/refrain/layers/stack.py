"""Runs the equations of a layer's cells over a sequence, one cell after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras import ops

from refrain.cells import SizedCell
from refrain.graph.resets import RESETS
from refrain.layers.beyond import Steps, changes_of, drawn_zoneout, zoneout_rates
from refrain.layers.equations import dropout_masks, weights_of
from refrain.layers.lookup import lookup_of
from refrain.layers.paths import Run, run_cell


def run_stack(
    layer: Any,
    stack: Sequence[tuple[Any, SizedCell, Sequence[Any]]],
    sequences: Any,
    steps: Steps,
    training: bool,
) -> tuple[Any, Any, list[Any]]:
    """Run them; return the last output, all outputs and the last states.

    Args:
        layer: a recurrent layer of ours, whose arguments say how.
        stack: each cell as Keras's, as equations, and its first states.
        sequences: `(batch, timesteps, features)`.
        steps: what the call says of its steps; learns their states.
        training: dropout and zoneout act.
    """
    rates = zoneout_rates(layer.name, layer.zoneout, [sized for _, sized, _ in stack])
    along = steps.checked(layer.name, sequences, layer.go_backwards)
    trained = RESETS in along and layer.trainable_initial_state
    starts = iter(layer.first_states.vectors if trained else ())
    last: list[Any] = []
    last_output: Any = None
    for k, (cell, sized, old) in enumerate(stack):
        dtype = cell.compute_dtype
        x: Any = ops.cast(sequences, dtype)
        states = [ops.cast(state, dtype) for state in old]
        weights = weights_of(sized, cell, x.shape[-1])
        if trained:
            vectors = (ops.cast(next(starts), dtype) for _ in states)
            weights = weights.starting_at(sized, vectors)
        inputs = {"x": x, **along}
        if training:
            inputs |= _drawn(layer, cell, sized, rates[k], x, states[0])
        changes = changes_of(layer, inputs, rates[k])
        lookup = lookup_of(x, sized, changes)
        if k == 0:
            layer.looked_up = lookup and lookup.count
        run = Run(
            # Cells of a stack read every output of the one before.
            sequence=layer.return_sequences or k < len(stack) - 1,
            # The first of them turns time round; its outputs are turned already.
            against_time=layer.go_backwards and k == 0,
            changes=changes,
            unroll=layer.unroll,
            lookup=lookup,
        )
        ran = run_cell(sized, inputs, states, weights, run)
        if run.against_time:
            along = {name: ops.flip(a, axis=1) for name, a in along.items()}
        last_output, sequences = ran.last_output, ran.outputs
        last += ran.last
        steps.states += [ops.cast(s, layer.compute_dtype) for s in ran.every]
    return last_output, sequences, last


def _drawn(
    layer: Any,
    cell: Any,
    sized: SizedCell,
    rates: Mapping[str, float],
    x: Any,
    state: Any,
) -> dict[str, Any]:
    """What is drawn in training, by leaf name."""
    drawn = dropout_masks(cell, x[:, 0], state)
    if rates:
        drawn |= drawn_zoneout(rates, sized, x, layer.zoneout_seed)
    return drawn
