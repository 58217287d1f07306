"""Runs the `call` of a Keras cell once on symbols, to see which operations it makes.

The cell itself stays as it is: a twin runs, which has a symbol in place of each
variable. `traced.py` reads the operations.
"""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import keras
from keras import KerasTensor, tree

from refrain.errors import RefrainError


class Untraced(Exception):  # noqa: N818 (a finding, caught by the layers)
    """A Keras cell whose equations are not known; the message says why."""


class Step(NamedTuple):
    """What a cell's `call` was given, and what it returned.

    Attributes:
        x: the input's symbol.
        states: those of the states.
        weights: symbol of each variable by its attribute, `kernel` or `inner.kernel`.
        output: symbol of the output.
        new_states: those of the new states.
    """

    x: KerasTensor
    states: list[KerasTensor]
    weights: dict[str, KerasTensor]
    output: KerasTensor
    new_states: list[KerasTensor]


def symbolic_step(cell: keras.Layer, features: int, training: bool) -> Step:
    """Run `call` of a built cell once on symbols.

    Raises:
        Untraced: it does what symbols cannot do, or changes its own attributes.
    """
    sizes = cell.state_size if isinstance(cell.state_size, (list, tuple)) else None
    x = _symbol(cell, features)
    states = [_symbol(cell, size) for size in sizes or [cell.state_size]]
    twins = _Twins(cell.compute_dtype, training)
    twin = twins.of_layer(cell, "")
    try:
        returned = twin(x, list(states))
    except RefrainError:
        raise
    except Exception as error:
        first, *_ = str(error).strip().splitlines() or [""]
        name = f"{type(cell).__name__}.call"
        reason = f"{name} cannot be read: {type(error).__name__}: {first}"
        raise Untraced(reason) from None
    twins.check_unchanged()
    output, new = _returned(cell, returned, len(states))
    return Step(x, states, twins.weights, output, new)


def _symbol(cell: Any, size: Any) -> KerasTensor:
    if not isinstance(size, int):
        raise Untraced(f"{type(cell).__name__} has a state of size {size}")
    return KerasTensor((None, size), dtype=cell.compute_dtype)


def _returned(cell: Any, returned: Any, count: int) -> tuple[KerasTensor, list]:
    if not (isinstance(returned, (tuple, list)) and len(returned) == 2):
        raise Untraced(f"{type(cell).__name__}.call returns no output with new states")
    output, new = returned[0], tree.flatten(returned[1])
    if len(new) != count or not all(map(_of_units, (output, *new))):
        raise Untraced(f"{type(cell).__name__}.call returns other states than it takes")
    return output, new


def _of_units(value: Any) -> bool:
    """Whether it is a symbol `(batch, size)`."""
    shape = value.shape if isinstance(value, KerasTensor) else ()
    return len(shape) == 2 and shape[0] is None and shape[1] is not None


class _Twins:
    """Copies of a layer and of the layers in it, with symbols for variables."""

    def __init__(self, dtype: str, training: bool):
        self.dtype = dtype
        self.training = training
        self.weights: dict[str, KerasTensor] = {}
        self._made: dict[int, Any] = {}
        self._before: list[tuple[Any, dict[str, Any]]] = []

    def of_layer(self, layer: Any, path: str) -> Any:
        """The twin of a layer; calling it runs its `call` and nothing else."""
        if layer.compute_dtype != self.dtype:
            raise Untraced(f"{layer.name} computes in {layer.compute_dtype}")
        if not layer.built:
            raise Untraced(f"{layer.name} is not built")
        kind: Any = type(layer)
        training = self.training
        takes = inspect.signature(kind.call)

        def run(twin: Any, *args: Any, **kwargs: Any) -> Any:
            given = takes.bind_partial(twin, *args, **kwargs).arguments
            if layer._call_has_training_arg and "training" not in given:
                kwargs["training"] = training
            return kind.call(twin, *args, **kwargs)

        twin = object.__new__(type(kind.__name__, (kind,), {"__call__": run}))
        self._made[id(layer)] = twin
        for name, value in vars(layer).items():
            if name == "_modules":  # where torch keeps the layers in a layer
                inner = {k: self._of(v, f"{path}{k}") for k, v in value.items()}
                vars(twin)[name] = inner
            else:
                vars(twin)[name] = self._of(value, f"{path}{name}")
        self._before.append((twin, dict(vars(twin))))
        return twin

    def _of(self, value: Any, path: str) -> Any:
        if id(value) in self._made:
            return self._made[id(value)]
        if isinstance(value, keras.Variable):
            if not value.dtype.startswith(("float", "bfloat")):
                return value
            symbol = KerasTensor(value.shape, dtype=self.dtype, name=path)
            self.weights[path] = self._made[id(value)] = symbol
            return symbol
        if isinstance(value, keras.Layer):
            return self.of_layer(value, f"{path}.")
        return value

    def check_unchanged(self) -> None:
        """Refuse a call that leaves a trace in a layer."""
        for twin, before in self._before:
            now = vars(twin)
            for name in before.keys() | now.keys():
                if now.get(name) is not before.get(name):
                    raise Untraced(
                        f"{type(twin).__name__}.call sets its attribute {name}"
                    )
