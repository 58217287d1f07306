"""Keras's recurrent layers, with the loop over time run from the cell's equations.

Arguments, weights, configuration and state handling are Keras's own: each class is
Keras's class with another inner loop, and with what `beyond` tells of.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import keras
from keras import ops, tree

from refrain.cells import Cell, SizedCell
from refrain.errors import LayerError
from refrain.layers.beyond import ARGUMENTS, FirstStates, Steps, zoneout_rates
from refrain.layers.checks import (
    CheckedWeights,
    carry_mask,
    check_activations,
    check_batch,
    checked_states,
    mask_of_call,
    sized_cell,
)
from refrain.layers.details import cells_of, equations_of_layer, kernel_details
from refrain.layers.equations import (
    PACKAGE,
    CellLayer,
    check_sizes,
    equations_of,
    has_equations,
)
from refrain.layers.paths import KERNEL, choose_path, require_kernels
from refrain.layers.stack import run_stack
from refrain.layers.symbolic import Untraced
from refrain.layers.traced import equations_of_stack
from refrain.layers.unread import run_unread

# Kept from now: `refrain.accelerate()` lets Keras's names stand for our classes.
_KerasRNN = keras.layers.RNN


class EquationLoop(CheckedWeights, keras.layers.RNN):
    """The inner loop of a recurrent layer: a cell's graph over a sequence.

    At a step that a mask leaves out, the states stay. The output is that of the step
    before, and zero before the first step that counts, whatever the initial state;
    with `zero_output_for_mask` it is zero. This holds on every backend and path.
    """

    @property
    def supports_jit(self) -> bool:
        """Whether XLA may compile a model with this layer.

        TensorFlow's XLA cannot call kernels, nor differentiate a loop that is not
        written out.
        """
        return self._supports_jit and keras.backend.backend() != "tensorflow"

    @supports_jit.setter
    def supports_jit(self, value: bool) -> None:
        self._supports_jit = value

    def __init__(
        self,
        *args: Any,
        zoneout: float | Mapping[str, float] = 0.0,
        return_all_states: bool = False,
        trainable_initial_state: bool = False,
        **kwargs: Any,
    ):
        check_activations(type(self).__name__, args, kwargs)
        super().__init__(*args, **kwargs)
        self.zoneout = dict(zoneout) if isinstance(zoneout, Mapping) else zoneout
        self.return_all_states = return_all_states
        self.trainable_initial_state = trainable_initial_state
        self.looked_up: int | None = None  # how many the last call has looked up among
        if self._beyond():
            self._prepare_beyond()

    def _beyond(self) -> dict[str, Any]:
        """Arguments that Keras's layers have not, where they are not the defaults."""
        given = {name: getattr(self, name) for name in ARGUMENTS}
        return {n: value for n, value in given.items() if value != ARGUMENTS[n]}

    def _prepare_beyond(self) -> None:
        """What is drawn and what is trained.

        Raises:
            LayerError: a rate is wrong, or for a state that there is not.
        """
        cells = cells_of(self.cell)
        if all(map(has_equations, cells)):  # others are read when they are built
            zoneout_rates(self.name, self.zoneout, list(map(equations_of, cells)))
        if self.zoneout:
            seeds = (getattr(cell, "seed", None) for cell in cells)
            seed = next((s for s in seeds if s is not None), None)
            self.zoneout_seed = keras.random.SeedGenerator(seed)
        if self.trainable_initial_state:
            sizes = tree.flatten(self.state_size)
            self.first_states = FirstStates(sizes, dtype=self.dtype_policy)

    def get_config(self) -> dict[str, Any]:
        """Keras's configuration, and what goes beyond it where it is asked for."""
        return {**super().get_config(), **self._beyond()}

    def build(
        self, sequences_shape: Any, initial_state_shape: Any | None = None
    ) -> None:
        """Create the cell's variables; from now on inputs have as many features."""
        check_sizes(self.name, cells_of(self.cell), sequences_shape[-1])
        if self.trainable_initial_state and not self.first_states.built:
            self.first_states.build()
        super().build(sequences_shape, initial_state_shape)
        if len(sequences_shape) == 3:
            features = sequences_shape[-1]
            self.input_spec = keras.InputSpec(ndim=3, axes={-1: features})

    @property
    def variables(self) -> list[Any]:
        """Weights, seeds, and kept states, which are no weights.

        On JAX a compiled step carries on what its layers name here, and nothing else.
        """
        return [*super().variables, *tree.flatten(self.states or [])]

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        """The states at which sequences start, one `(batch, size)` each."""
        zeros = super().get_initial_state(batch_size)
        if not self.trainable_initial_state:
            return zeros
        starts = [
            zero + ops.cast(start, zero.dtype)
            for zero, start in zip(
                tree.flatten(zeros), self.first_states.vectors, strict=True
            )
        ]
        return tree.pack_sequence_as(zeros, starts)

    def call(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
        resets: Any = None,
        lengths: Any = None,
    ) -> Any:
        """Run the cell over sequences.

        Args:
            sequences: `(batch, timesteps, features)`.
            initial_state: first states, each `(batch, size)`.
            mask: `(batch, timesteps)`, true where a step counts.
            training: dropout and zoneout act.
            resets: `(batch, timesteps)`, true where a sequence begins anew.
            lengths: `(batch,)`, how many steps count, instead of a mask.
        """
        check_batch(self, sequences)
        mask = mask_of_call(self.name, sequences, mask, resets, lengths)
        steps = Steps(mask, resets)
        plain = resets is None and not self.return_all_states
        found: Any = super().call(
            sequences,
            initial_state=initial_state,
            mask=mask if plain else steps,
            training=training,
        )
        if lengths is not None and self.return_sequences:
            carry_mask(found[0] if self.return_state else found, mask)
        if not self.return_all_states:
            return found
        return (*(found if self.return_state else (found,)), *steps.states)

    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> tuple[Any, Any, Any]:
        """Run the cell; return the last output, all outputs and the last states."""
        steps = mask if isinstance(mask, Steps) else Steps(mask)
        if self.stateful and keras.backend.backend() == "torch":
            # They are overwritten in place, and backward still needs these.
            initial_state = tree.map_structure(ops.copy, initial_state)
        cells = cells_of(self.cell)
        try:
            sized = equations_of_stack(cells, sequences.shape, training)
        except Untraced as reason:
            require_kernels(str(reason))
            self._refuse_changes(reason)
            return run_unread(self, sequences, initial_state, steps, training)
        states = checked_states(self.name, sized, initial_state, sequences.shape[0])
        stack = list(zip(cells, sized, states, strict=True))
        last_output, outputs, last = run_stack(self, stack, sequences, steps, training)
        # A cell of one state may have it without a list round it.
        return last_output, outputs, tree.pack_sequence_as(initial_state, last)

    def _refuse_changes(self, reason: Untraced) -> None:
        """Refuse what changes the equations of a cell whose equations are not known."""
        wanted = self._beyond().keys() & {"zoneout", "return_all_states"}
        if wanted:
            raise LayerError(
                f"{self.name}: expected a cell whose equations are known, for "
                f"{' and '.join(sorted(wanted))}; received one that Keras runs, "
                f"because {reason}"
            ) from None

    def compute_output_shape(
        self, sequences_shape: Any, initial_state_shape: Any | None = None
    ) -> Any:
        """Shapes of all that a call returns."""
        found = super().compute_output_shape(sequences_shape, initial_state_shape)
        if not self.return_all_states:
            return found
        first = found if self.return_state else (found,)
        sizes = tree.flatten(self.state_size)
        return (*first, *((*sequences_shape[:2], size) for size in sizes))

    def compute_mask(self, _: Any, mask: Any) -> Any:
        """Masks of all that a call returns; sequences of states have that of steps."""
        found = super().compute_mask(_, mask)
        if not self.return_all_states:
            return found
        count = len(tree.flatten(self.state_size))
        (mask, *_), first = tree.flatten(mask), tree.flatten(found)[:1]
        last = [None] * count if self.return_state else []
        return [*first, *last, *[mask] * count]

    def reset_state(self) -> None:
        """Set the kept states to those at which sequences start, in all cells."""
        kept = tree.flatten(self.states or [])
        starts = self.first_states.vectors if self.trainable_initial_state else []
        for state, start in zip_longest(kept, starts if kept else []):
            zero: Any = ops.zeros_like(state.value)
            state.assign(zero if start is None else zero + ops.cast(start, zero.dtype))

    def explain(self, details: bool = False) -> str:
        """Which path runs this layer, and why.

        Args:
            details: for a built layer that native kernels run, also their plan, size
                and compile time, and their speed, which is measured for it.
        """
        backend = keras.backend.backend()
        try:
            cells = equations_of_layer(self)
        except Untraced as reason:
            if not self.built:
                return f"{self.name}: not known before it is built: {reason}"
            return f"{self.name}: Keras's own loop on {backend}, because {reason}"
        names = ", ".join(sized.cell.name for sized in cells)
        found = [choose_path(sized, self.compute_dtype, self.unroll) for sized in cells]
        paths, (why, *_) = [dict.fromkeys(kind) for kind in zip(*found, strict=True)]
        if KERNEL not in paths:
            return (
                f"{self.name}: the equations of {names} through keras.ops in "
                f"{' and '.join(paths)} on {backend}, because {why}"
            )
        line = f"{self.name}: native kernels from the equations of {names} ({why})"
        if self.looked_up is not None:
            line += "; products of its input are looked up, one for each of "
            line += f"{self.looked_up} words"
        if not (details and self.built):
            return line
        spec: Any = self.input_spec
        wanted = self.compute_dtype, self.return_sequences, self.go_backwards
        told = kernel_details(cells, spec.axes[-1], self.looked_up, *wanted)
        return f"{line}\n{told}"


@keras.saving.register_keras_serializable(PACKAGE)
class SimpleRNN(EquationLoop, keras.layers.SimpleRNN):
    """Simple recurrent layer: keras.layers.SimpleRNN run from `cells.simple_rnn`."""


@keras.saving.register_keras_serializable(PACKAGE)
class LSTM(EquationLoop, keras.layers.LSTM):
    """Long short-term memory: keras.layers.LSTM run from `cells.lstm`.

    `use_cudnn` changes nothing: `explain` says which path runs.
    """


@keras.saving.register_keras_serializable(PACKAGE)
class GRU(EquationLoop, keras.layers.GRU):
    """Gated recurrent unit: keras.layers.GRU run from `cells.gru`.

    `use_cudnn` changes nothing: `explain` says which path runs.
    """


@keras.saving.register_keras_serializable(PACKAGE)
class RNN(EquationLoop):
    """Any cell over a sequence: keras.layers.RNN, and cells from equations.

    Args:
        cell: a cell with its units (`mgu(128)`), a Keras cell, or a list of either
            to be stacked.
        *args: as in keras.layers.RNN.
        **kwargs: as in keras.layers.RNN.
    """

    def __init__(self, cell: Any, *args: Any, **kwargs: Any):
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        super().__init__(as_keras_cell(cell), *args, **kwargs)
        if all(map(has_equations, cells_of(self.cell))):
            self.input_spec = keras.InputSpec(ndim=3)


@keras.saving.register_keras_serializable(PACKAGE)
class StackedRNNCells(keras.layers.StackedRNNCells):
    """Cells run one after the other in each step, as keras.layers.StackedRNNCells."""

    def __init__(self, cells: Any, **kwargs: Any):
        if not cells:
            raise LayerError("expected at least one cell to be stacked, received none")
        super().__init__([as_keras_cell(c) for c in cells], **kwargs)


def as_keras_cell(cell: Any) -> Any:
    """A Keras cell as it is; equations with their sizes as a `CellLayer`.

    Raises:
        LayerError: it is a whole layer, or equations without a number of units.
    """
    if isinstance(cell, _KerasRNN):
        raise LayerError(
            f"expected a cell, received the layer {cell.name}; its cell would be "
            f"{type(cell.cell).__name__}"
        )
    if isinstance(cell, (Cell, SizedCell)):
        return CellLayer(sized_cell(cell))
    return cell
