"""Keras's recurrent layers, with the loop over time run from the cell's equations.

Arguments, weights, configuration and state handling are Keras's own: each class is
Keras's class with another inner loop.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, tree

from refrain.cells import Cell, SizedCell
from refrain.errors import CellError
from refrain.graph.changes import Changes
from refrain.graph.masking import MASK
from refrain.layers.checks import checked_mask, checked_states, sized_cell
from refrain.layers.details import kernel_details
from refrain.layers.equations import (
    PACKAGE,
    CellLayer,
    dropout_masks,
    has_equations,
    weights_of,
)
from refrain.layers.paths import (
    KERNEL,
    Run,
    choose_path,
    require_kernels,
    run_cell,
)
from refrain.layers.symbolic import Untraced
from refrain.layers.traced import equations_of_stack

# Kept from now: `refrain.accelerate()` lets Keras's names stand for our classes.
_KerasRNN, _KerasStack = keras.layers.RNN, keras.layers.StackedRNNCells


class EquationLoop(keras.layers.RNN):
    """The inner loop of a recurrent layer: a cell's graph over a sequence.

    At a step that a mask leaves out, the states stay. The output is that of the step
    before, and zero before the first step that counts, whatever the initial state;
    with `zero_output_for_mask` it is zero. This holds on every backend and path.
    """

    @property
    def supports_jit(self) -> bool:
        """Whether XLA may compile a model with this layer.

        TensorFlow's XLA can neither call kernels nor differentiate keras.ops.scan.
        """
        return self._supports_jit and keras.backend.backend() != "tensorflow"

    @supports_jit.setter
    def supports_jit(self, value: bool) -> None:
        self._supports_jit = value

    def build(
        self, sequences_shape: Any, initial_state_shape: Any | None = None
    ) -> None:
        """Create the cell's variables; from now on inputs have as many features."""
        super().build(sequences_shape, initial_state_shape)
        if len(sequences_shape) == 3:
            features = sequences_shape[-1]
            self.input_spec = keras.InputSpec(ndim=3, axes={-1: features})

    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> tuple[Any, Any, Any]:
        """Run the cell; return the last output, all outputs and the last states."""
        try:
            sized = equations_of_stack(_cells(self.cell), sequences.shape, training)
        except Untraced as reason:
            require_kernels(str(reason))
            return super().inner_loop(sequences, initial_state, mask, training)
        if self.stateful and keras.backend.backend() == "torch":
            # They are overwritten in place, and backward still needs these.
            initial_state = tree.map_structure(ops.copy, initial_state)
        states = checked_states(self.name, sized, initial_state, sequences.shape[0])
        mask = checked_mask(self.name, mask, sequences)
        stack = list(zip(_cells(self.cell), sized, strict=True))
        last_output, last = None, []
        for k, ((cell, sized), old) in enumerate(zip(stack, states, strict=True)):
            final = k == len(stack) - 1
            sequences, *old = (
                ops.cast(a, cell.compute_dtype) for a in (sequences, *old)
            )
            weights = weights_of(sized, cell, sequences.shape[-1])
            dropout = dropout_masks(cell, sequences[:, 0], old[0], training)
            inputs = {"x": sequences, **dropout}
            masking = None
            if mask is not None:
                inputs[MASK] = mask
                masking = "zero" if self.zero_output_for_mask else "hold"
            run = Run(
                # Cells of a stack read every output of the one before.
                sequence=self.return_sequences or not final,
                # The first of them turns time round; its outputs are turned already.
                against_time=self.go_backwards and k == 0,
                changes=Changes(dropout=tuple(sorted(dropout)), mask=masking),
                unroll=self.unroll,
            )
            last_output, sequences, new, _ = run_cell(sized, inputs, old, weights, run)
            if run.against_time and mask is not None:
                mask = ops.flip(mask, axis=1)
            last.append(new)
        return last_output, sequences, last[0] if len(stack) == 1 else last

    def reset_state(self) -> None:
        """Set the kept states to zero, those of stacked cells as well."""
        for state in tree.flatten(self.states or []):
            state.assign(ops.zeros_like(state.value))

    def explain(self, details: bool = False) -> str:
        """Which path runs this layer, and why.

        Args:
            details: for a built layer that native kernels run, also their plan, size
                and compile time, and their speed, which is measured for it.
        """
        backend = keras.backend.backend()
        spec: Any = self.input_spec
        shape: Any = (None, None, spec.axes.get(-1)) if self.built and spec else ()
        try:
            cells = equations_of_stack(_cells(self.cell), shape)
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
        if not (details and self.built):
            return line
        wanted = self.compute_dtype, self.return_sequences, self.go_backwards
        return f"{line}\n{kernel_details(cells, shape[-1], *wanted)}"


def _cells(cell: Any) -> list[Any]:
    stacked = isinstance(cell, _KerasStack)
    return list(cell.cells) if stacked else [cell]


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
        if all(map(has_equations, _cells(self.cell))):
            self.input_spec = keras.InputSpec(ndim=3)


@keras.saving.register_keras_serializable(PACKAGE)
class StackedRNNCells(keras.layers.StackedRNNCells):
    """Cells run one after the other in each step, as keras.layers.StackedRNNCells."""

    def __init__(self, cells: Any, **kwargs: Any):
        if not cells:
            raise CellError("expected at least one cell to be stacked, received none")
        super().__init__([as_keras_cell(c) for c in cells], **kwargs)


@keras.saving.register_keras_serializable(PACKAGE)
class Bidirectional(keras.layers.Bidirectional):
    """Two copies of a recurrent layer, one against time: keras.layers.Bidirectional."""

    def compute_mask(self, _: Any, mask: Any) -> Any:
        """The output's mask; none for states, also where they are kept."""
        if not (self.return_state and self.states is not None):
            return super().compute_mask(_, mask)
        # Keras's own fails here.
        given = tree.flatten(mask)[0] if self.return_sequences else None
        outputs = 1 if self.merge_mode else 2
        return (*[given] * outputs, *[None] * len(tree.flatten(self.states)))

    def explain(self, details: bool = False) -> str:
        """Which path runs each direction, and why; `details` as for other layers."""
        layers = (self.forward_layer, self.backward_layer)
        return "\n".join(_explain(layer, details) for layer in layers)


def _explain(layer: Any, details: bool) -> str:
    """Which path runs a recurrent layer, and why; also of a layer of Keras's own."""
    if hasattr(layer, "explain"):
        return layer.explain(details)
    backend = keras.backend.backend()
    return f"{layer.name}: Keras's own layer on {backend}, not one of refrain's"


def as_keras_cell(cell: Any) -> Any:
    """A Keras cell as it is; equations with their sizes as a `CellLayer`.

    Raises:
        CellError: it is a whole layer, or equations without a number of units.
    """
    if isinstance(cell, _KerasRNN):
        raise CellError(
            f"expected a cell, received the layer {cell.name}; its cell would be "
            f"{type(cell.cell).__name__}"
        )
    if isinstance(cell, (Cell, SizedCell)):
        return CellLayer(sized_cell(cell))
    return cell
