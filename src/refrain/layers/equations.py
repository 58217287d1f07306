"""Which equations a Keras cell stands for, and cells that are their equations.

`equations_of` reads a Keras cell as a cell of ours; `CellLayer` is the other way
round: a Keras layer for any cell written with `@refrain.cell`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from operator import attrgetter
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.src.layers.rnn.dropout_rnn_cell import DropoutRNNCell

from refrain.cells import SizedCell
from refrain.cells.counterparts import KERAS_CELLS
from refrain.cells.record import MOST_NUMBERS, UNKNOWN, from_record, to_record
from refrain.cells.weights import Initializer, Weight
from refrain.errors import CellError, LayerError
from refrain.graph.dropout import DROPOUT, RECURRENT_DROPOUT, with_dropout
from refrain.graph.functions import ACTIVATIONS
from refrain.layers.checks import (
    CheckedWeights,
    check_activations,
    checked_states,
    sized_cell,
)
from refrain.layers.scan import Executor, Weights
from refrain.layers.symbolic import Untraced

PACKAGE = "refrain"


def equations_of(cell: Any) -> SizedCell:
    """The equations of a Keras cell.

    Raises:
        Untraced: the cell is not one whose equations are known.
    """
    if isinstance(cell, CellLayer):
        return cell.sized
    for keras_cell, equations, names in _KERAS_CELLS:
        if isinstance(cell, keras_cell):
            if type(cell).call not in (keras_cell.call, EquationCall.call):
                raise Untraced(f"{type(cell).__name__} defines a call of its own")
            options = {name: getattr(cell, name) for name in names}
            for name in names:
                if name.endswith("activation"):
                    options[name] = _activation_name(options[name])
            return equations(cell.units, use_bias=cell.use_bias, **options)
    raise Untraced(f"{type(cell).__name__} is not written as equations")


def has_equations(cell: Any) -> bool:
    """Whether `equations_of` knows this Keras cell."""
    try:
        equations_of(cell)
    except Untraced:
        return False
    return True


_KERAS_CELLS = tuple(
    (getattr(keras.layers, name), *known) for name, known in KERAS_CELLS.items()
)


def keras_cell_of(sized: SizedCell) -> tuple[str, dict[str, Any]] | None:
    """The class of Keras's cell for equations, by name, and its settings, or None."""
    options = sized.cell.resolve(sized.options)
    functions = {k: o.__name__ for k, o in options.items() if callable(o)}
    if any(options[k] is not ACTIVATIONS.get(name) for k, name in functions.items()):
        return None
    for name, (cell, _) in KERAS_CELLS.items():
        if cell is sized.cell:
            return name, {**options, **functions, "units": sized.sizes["units"]}
    return None


def _activation_name(function: Any) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    if name in ACTIVATIONS and function is keras.activations.get(name):
        return name
    raise Untraced(f"the activation {name} is not one that equations know")


def weights_of(sized: SizedCell, cell: Any, features: int) -> Weights:
    """The Keras cell's variables as tensors, by name."""
    variables = sized.variables(features)
    dtype = cell.compute_dtype
    arrays = {
        v.name: ops.convert_to_tensor(attrgetter(v.name)(cell), dtype=dtype)
        for v in variables
    }
    return Weights(variables, arrays)


def check_sizes(name: str, cells: Iterable[Any], features: Any) -> None:
    """Refuse sizes, which a file may tell, before memory is asked for.

    Raises:
        LayerError: a variable of a cell would be larger than any that is of use.
    """
    for cell in cells:
        if not (has_equations(cell) and isinstance(features, int)):
            return
        sized = equations_of(cell)
        for variable in sized.variables(features):
            if prod(variable.shape) > MOST_NUMBERS:
                raise LayerError(
                    f"{name}: expected {MOST_NUMBERS:,} numbers at most in a variable; "
                    f"received {variable.name} of shape {variable.shape}"
                )
        features = sized.output_size


def dropout_masks(cell: Any, x: Any, state: Any) -> dict[str, Any]:
    """Dropout masks of a Keras cell by leaf name; drawn once for all steps."""
    masks: dict[str, Any] = {}
    if not has_equations(cell):
        return masks
    gates = equations_of(cell).cell.gates
    if 0.0 < getattr(cell, "dropout", 0.0) < 1.0:
        masks |= _by_gate(DROPOUT, gates, cell.get_dropout_mask(x))
    if 0.0 < getattr(cell, "recurrent_dropout", 0.0) < 1.0:
        masks |= _by_gate(
            RECURRENT_DROPOUT, gates, cell.get_recurrent_dropout_mask(state)
        )
    # In a stack Keras may have drawn them in the dtype of another cell.
    return {name: ops.cast(mask, cell.compute_dtype) for name, mask in masks.items()}


def _by_gate(kind: str, gates: tuple[str, ...], drawn: Any) -> dict[str, Any]:
    if not isinstance(drawn, (list, tuple)):
        return {kind: drawn}
    return {f"{kind}.{gate}": mask for gate, mask in zip(gates, drawn, strict=True)}


class EquationCall(CheckedWeights, keras.layers.Layer):
    """One step of a Keras cell, computed from its equations where they are known."""

    def __init__(self, *args: Any, **kwargs: Any):
        check_activations(type(self).__name__, args, kwargs)
        super().__init__(*args, **kwargs)

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """Map `(batch, features)` and states to the output and the new states."""
        if not has_equations(self):
            return super().call(inputs, states, training=training)
        listed = isinstance(states, (list, tuple))
        sized = equations_of(self)
        (old,) = checked_states(self.name, [sized], states, inputs.shape[0])
        masks = dropout_masks(self, inputs, old[0]) if training else {}
        graph = with_dropout(sized.graph, set(masks))
        weights = weights_of(sized, self, inputs.shape[-1])
        executor = Executor(graph, weights, self.compute_dtype)
        values = {f"{s}_prev": v for s, v in zip(sized.cell.states, old, strict=True)}
        output, *new = executor.results(executor.leaves({"x": inputs} | values | masks))
        return output, (new if listed else new[0])


@keras.saving.register_keras_serializable(PACKAGE)
class SimpleRNNCell(  # pyright: ignore[reportIncompatibleMethodOverride]
    EquationCall, keras.layers.SimpleRNNCell
):
    """Keras's SimpleRNNCell, computed from `cells.simple_rnn`."""


@keras.saving.register_keras_serializable(PACKAGE)
class LSTMCell(EquationCall, keras.layers.LSTMCell):
    """Keras's LSTMCell, computed from `cells.lstm`."""


@keras.saving.register_keras_serializable(PACKAGE)
class GRUCell(EquationCall, keras.layers.GRUCell):
    """Keras's GRUCell, computed from `cells.gru`."""


@keras.saving.register_keras_serializable(PACKAGE)
class CellLayer(EquationCall, DropoutRNNCell):
    """Any cell as a Keras cell, for `layers.RNN` and `layers.StackedRNNCells`.

    Args:
        sized: a cell with its number of units, e.g. `mgu(128)`.
        dropout: rate for the input's products; one mask for all steps.
        recurrent_dropout: rate for the states' products; one mask a gate.
        seed: of the dropout masks.
    """

    def __init__(
        self,
        sized: SizedCell,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.sized = sized_cell(sized)
        for name, rate in ((DROPOUT, dropout), (RECURRENT_DROPOUT, recurrent_dropout)):
            if not 0.0 <= rate < 1.0:
                raise LayerError(
                    f"{sized.cell.name}: expected 0 <= {name} < 1, received {rate}"
                )
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        if recurrent_dropout and sized.cell.gates:
            self.dropout_mask_count = len(sized.cell.gates)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.units = sized.sizes["units"]
        self.state_size = sized.state_size
        self.output_size = sized.output_size

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the cell's variables for inputs of `(batch, features)`."""
        features = input_shape[-1]
        if features is None:
            raise LayerError(
                f"{self.sized.cell.name}: the number of features is not known; give "
                "the model an Input with its last dimension"
            )
        for variable in self.sized.variables(features):
            if hasattr(self, variable.name):
                raise LayerError(
                    f"{self.sized.cell.name}: a Keras layer has something else by the "
                    f"name {variable.name}.\n  Hint: give the weight another "
                    "`variable=`."
                )
            made = self.add_weight(
                shape=variable.shape,
                name=variable.name,
                initializer=_initializer(variable.weights),
            )
            setattr(self, variable.name, made)

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """Zeros, one `(batch, size)` a state."""
        dtype = self.compute_dtype
        return [ops.zeros((batch_size, size), dtype=dtype) for size in self.state_size]

    def get_config(self) -> dict[str, Any]:
        """The cell as data: its equations, declarations and sizes."""
        return {
            **super().get_config(),
            "cell": to_record(self.sized),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> CellLayer:
        """The layer of a configuration; see `refrain.cells.record.from_record`.

        Raises:
            CellError: the cell's record is not a sound cell.
        """
        config = dict(config)
        return cls(from_record(config.pop("cell", None)), **config)


def _initializer(weights: Mapping[str, Weight]):
    """One initialiser for a variable: its weights stacked, single gates replaced."""

    def initialise(shape: tuple[int, ...], dtype: Any = None) -> Any:
        rows = []
        for weight in weights.values():
            row_shape = shape[1:] if len(weights) > 1 else shape
            row = _keras_initializer(weight.initializer)(row_shape, dtype=dtype)
            if weight.by_gate:
                parts: Any = ops.split(row, weight.parts, axis=-1)
                for gate, name in weight.by_gate.items():
                    k = weight.gates.index(gate)
                    parts[k] = _keras_initializer(name)(parts[k].shape, dtype=dtype)
                row = ops.concatenate(parts, axis=-1)
            rows.append(row)
        return ops.stack(rows) if len(rows) > 1 else rows[0]

    return initialise


def _keras_initializer(initializer: Initializer) -> Any:
    if isinstance(initializer, (int, float)):
        return keras.initializers.Constant(initializer)
    if isinstance(initializer, str):
        try:
            return keras.initializers.get(
                "zeros" if initializer == UNKNOWN else initializer
            )
        except ValueError:
            raise CellError(f"unknown initialiser {initializer!r}") from None

    def initialise(shape: tuple[int, ...], dtype: Any = None) -> Any:
        # NumPy draws, with a seed as Keras's initialisers get theirs: a layer may be
        # built while a library traces, where its own numbers have no values.
        seed: Any = keras.initializers.RandomUniform().seed
        rng = np.random.default_rng(seed)
        return ops.convert_to_tensor(initializer(rng.random(shape)), dtype=dtype)

    return initialise
