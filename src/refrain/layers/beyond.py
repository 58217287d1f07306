"""What our layers do beyond Keras's: zoneout, trained first states, resets, all states.

The meaning of each is a change of the equations (`graph.changes`); here are the layers'
arguments for them, what is drawn, and what is trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import ops

from refrain.cells import SizedCell
from refrain.errors import LayerError
from refrain.graph.changes import Changes
from refrain.graph.dropout import DROPOUT, RECURRENT_DROPOUT
from refrain.graph.masking import MASK
from refrain.graph.resets import RESETS
from refrain.graph.zoneout import ZONEOUT
from refrain.layers.checks import checked_mask, checked_resets

# Arguments of layers by their defaults; a configuration states those that differ.
ARGUMENTS: dict[str, Any] = {
    "zoneout": 0.0,
    "return_all_states": False,
    "trainable_initial_state": False,
}


@dataclass
class Steps:
    """What a call says of its steps beside the input, and what it learns of them.

    It takes the place of the mask on the way through Keras's `call`.

    Attributes:
        mask: which steps count, or None.
        resets: before which steps a sequence begins anew, or None.
        states: filled by the loop: the states of all steps, where they are wanted.
    """

    mask: Any = None
    resets: Any = None
    states: list[Any] = field(default_factory=list)

    def checked(self, name: str, sequences: Any, against_time: bool) -> dict[str, Any]:
        """Mask and resets where they are given, as inputs of the cell's programs."""
        mask = checked_mask(name, self.mask, sequences)
        resets = checked_resets(name, self.resets, sequences)
        if resets is not None and against_time:
            # A sequence that begins at a step ends, read backwards, with that step.
            none = ops.zeros_like(resets[:, :1])
            resets = ops.concatenate([resets[:, 1:], none], axis=1)
        given = {MASK: mask, RESETS: resets}
        return {name: array for name, array in given.items() if array is not None}


class FirstStates(keras.layers.Layer):
    """One trained vector a state, zero before training: where sequences start."""

    def __init__(self, sizes: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        self.sizes = list(sizes)
        self.vectors: list[Any] = []

    def build(self, input_shape: Any = None) -> None:  # noqa: ARG002
        """Create the vectors."""
        self.vectors = [
            self.add_weight(shape=(size,), name=f"state_{k}", initializer="zeros")
            for k, size in enumerate(self.sizes)
        ]


def zoneout_rates(
    name: str, zoneout: float | Mapping[str, float], cells: Sequence[SizedCell]
) -> list[dict[str, float]]:
    """The rate of each state that has one, a mapping for each cell of a stack.

    Raises:
        LayerError: a rate is no probability below 1, or a name is no state.
    """
    known = list(dict.fromkeys(s for cell in cells for s in cell.cell.states))
    by_name = isinstance(zoneout, Mapping)
    rates = dict(zoneout) if by_name else dict.fromkeys(known, zoneout)
    for state, rate in rates.items():
        if state not in known:
            raise LayerError(
                f"{name}: expected zoneout for states among {', '.join(known)}, "
                f"received one for {state!r}"
            )
        if isinstance(rate, bool) or not isinstance(rate, (int, float)):
            raise LayerError(
                f"{name}: expected zoneout to be a rate, or a mapping from states to "
                f'rates, e.g. {{"{known[0]}": 0.1}}; received {zoneout!r}'
            )
        if not 0.0 <= rate < 1.0:
            raise LayerError(f"{name}: expected 0 <= zoneout < 1, received {rate!r}")
    return [
        {s: float(rates[s]) for s in cell.cell.states if rates.get(s)} for cell in cells
    ]


def drawn_zoneout(
    rates: Mapping[str, float], sized: SizedCell, x: Any, generator: Any
) -> dict[str, Any]:
    """By leaf name, 1 where a unit keeps its old value at a step, else 0."""
    sizes = dict(zip(sized.cell.states, sized.state_size, strict=True))
    batch, timesteps = ops.shape(x)[:2]  # pyright: ignore[reportGeneralTypeIssues,reportOptionalSubscript]
    drawn: dict[str, Any] = {}
    for state, rate in rates.items():
        shape: Any = (batch, timesteps, sizes[state])
        keeps = keras.random.uniform(shape, seed=generator) < rate
        drawn[f"{ZONEOUT}.{state}"] = ops.cast(keeps, x.dtype)
    return drawn


def changes_of(
    layer: Any, inputs: Iterable[str], rates: Mapping[str, float]
) -> Changes:
    """The changes of a cell's equations that a layer's arguments and inputs stand for.

    Args:
        layer: a recurrent layer of ours.
        inputs: names of what enters the cell's programs.
        rates: zoneout by state; drawn where the inputs have it.
    """
    names = set(inputs)
    drawn = {s: None for s in rates if f"{ZONEOUT}.{s}" in names}
    masking = "zero" if layer.zero_output_for_mask else "hold"
    return Changes(
        dropout=tuple(
            sorted(n for n in names if n.startswith((DROPOUT, RECURRENT_DROPOUT)))
        ),
        zoneout=tuple((dict(rates) | drawn).items()),
        mask=masking if MASK in names else None,
        resets=RESETS in names,
        trained_start=RESETS in names and layer.trainable_initial_state,
        every_state=layer.return_all_states,
    )
