"""The loop over time of cells whose equations are not known: their `call` at each step.

Keras's backends run it. What masks and resets do is said here, within a step, and so it
is the same on each of them, and the same as for cells whose equations are known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops, tree
from keras.src import backend

from refrain.graph.masking import MASK
from refrain.graph.resets import RESETS
from refrain.layers.beyond import Steps
from refrain.layers.checks import as_structured


def run_unread(
    layer: Any, sequences: Any, initial_state: Any, steps: Steps, training: bool
) -> tuple[Any, Any, Any]:
    """Run a layer's cell; return the last output, all outputs and the last states.

    Args:
        layer: a recurrent layer of ours.
        sequences: `(batch, timesteps, ...)`.
        initial_state: first states.
        steps: what the call says of its steps.
        training: as the cell's `call` takes it.
    """
    shape: Any = ops.shape(sequences)
    starts = layer.get_initial_state(shape[0])
    states = as_structured(layer.name, starts, initial_state, sequences.shape[0])
    along = steps.checked(layer.name, sequences, layer.go_backwards)
    if MASK in along:
        # What a skipped step holds must reach nothing, not even as zero times NaN.
        sequences = _where(along[MASK], sequences, ops.zeros_like(sequences))
        size = getattr(layer.cell, "output_size", None) or layer.state_size[0]
        states = [*states, ops.zeros((shape[0], size), layer.cell.compute_dtype)]
    last_output, outputs, last = backend.rnn(
        _step_of(layer, starts, list(along), training),
        [sequences, *(ops.expand_dims(a, -1) for a in along.values())],
        states,
        go_backwards=layer.go_backwards,
        unroll=layer.unroll,
        input_length=sequences.shape[1],
        return_all_outputs=layer.return_sequences,
    )
    return last_output, outputs, list(last)[: len(starts)]


def _step_of(
    layer: Any, starts: list[Any], along: list[str], training: bool
) -> Callable[..., Any]:
    """A step of the loop; with a mask, its last state is the output before."""
    cell, zeros = layer.cell, layer.zero_output_for_mask
    takes_training = isinstance(cell, keras.Layer) and cell._call_has_training_arg
    more = {"training": training} if takes_training else {}

    def step(inputs: Any, states: Any) -> tuple[Any, list[Any]]:
        x, now = inputs[0], dict(zip(along, inputs[1:], strict=True))
        old, held = list(states[: len(starts)]), list(states[len(starts) :])
        if RESETS in now:
            anew = [starts, [ops.zeros_like(h) for h in held]]
            old, held = _either(now[RESETS], anew, [old, held])
        output, new = cell(x, old, **more)
        new = tree.pack_sequence_as(old, tree.flatten(new))
        if MASK not in now:
            return output, new
        output = ops.cast(output, held[0].dtype)
        output, new = _either(now[MASK], [output, new], [held[0], old])
        return output, [*new, held[0] if zeros else output]

    return step


def _either(condition: Any, one: Any, other: Any) -> Any:
    """One where the condition `(batch, 1)` holds, and the other elsewhere."""
    return tree.map_structure(lambda a, b: _where(condition, a, b), one, other)


def _where(condition: Any, one: Any, other: Any) -> Any:
    more = len(one.shape) - len(condition.shape)
    for _ in range(more):
        condition = ops.expand_dims(condition, -1)
    return ops.where(condition, one, other)
