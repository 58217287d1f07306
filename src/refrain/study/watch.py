"""What the recurrent layers of a Keras model read, and what comes back to them.

The model is called once with listeners in its layers, and once more through the
backend's differentiation for the gradient of a loss, which enters as numbers: that of
the recurrent layers themselves is derived from their equations.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from refrain.cells import SizedCell
from refrain.errors import DataError, innermost
from refrain.layers.beyond import Steps
from refrain.layers.details import recurrent_layers
from refrain.layers.equations import weights_of
from refrain.layers.symbolic import Untraced
from refrain.layers.traced import equations_of_stack
from refrain.study.walk import Walk, walk


@dataclass
class Heard:
    """One call of a recurrent layer, in numbers.

    Attributes:
        path: names that lead to the layer.
        layer: the Keras layer.
        walks: of its cells, from the one that reads the input.
        grad_outputs: gradient of the loss for every output of the last cell; None
            without a loss.
        grad_last: the same for the last states of that cell, by name.
    """

    path: str
    layer: Any
    walks: list[Walk]
    grad_outputs: np.ndarray | None = None
    grad_last: dict[str, np.ndarray] = field(default_factory=dict)


def watch(model: Any, x: Any, y: Any = None, loss: Any = None) -> list[Heard]:
    """Listen to every recurrent layer of a built model while it reads sequences.

    Args:
        model: a Keras model.
        x: what it takes, sequences along the first axis.
        y: targets, for the gradient of a loss; its sum over the sequences is taken.
        loss: as Keras's `compile` takes it; that of the compiled model if not given.

    Raises:
        DataError: there is no recurrent layer, one that cannot be followed, or no
            loss for the targets.
    """
    found = list(recurrent_layers(model))
    if not found:
        raise DataError(f"{model.name}: expected a model with a recurrent layer")
    for path, layer in found:
        if layer.stateful:
            raise DataError(f"{path}: expected stateful=False, for states begin anew")
    calls: dict[str, list[Any]] = {path: [] for path, _ in found}
    listening = _listening(found, lambda path, call: calls[path].append(call))
    with _refusing(f"{model.name} does not take these"), listening:
        model(x, training=False)
    heard = []
    for path, layer in found:
        if len(calls[path]) != 1:
            raise DataError(
                f"{path}: expected a layer that is called once, received "
                f"{len(calls[path])} calls"
            )
        heard.append(Heard(path, layer, _walks(path, layer, *calls[path][0][:3])))
    if y is not None:
        taps = [[ops.zeros_like(a) for a in calls[h.path][0][3]] for h in heard]
        _add_gradients(heard, taps, _loss_of(model, x, y, loss))
    return heard


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Say in one line what Keras or the backend says in many."""
    try:
        yield
    except Exception as fault:
        reason = " ".join(str(innermost(fault)).split())
        raise DataError(f"{what}: {reason}") from None


@contextmanager
def _listening(
    layers: Sequence[tuple[str, Any]],
    hear: Callable[[str, Any], None],
    taps: Any = None,
) -> Iterator[None]:
    """Tell of each call of the layers; with taps, add them to what leaves."""

    def listener(number: int, path: str, layer: Any) -> Callable[..., Any]:
        inner = layer.inner_loop

        def listen(
            sequences: Any, initial_state: Any, mask: Any, training: bool = False
        ) -> Any:
            last_output, outputs, states = inner(
                sequences, initial_state, mask, training
            )
            output = outputs if layer.return_sequences else last_output
            if taps is None:
                leaving = [output, *tree.flatten(states)]
                hear(path, (sequences, initial_state, mask, leaving))
                return last_output, outputs, states
            tap, *more = taps[number]
            more = tree.pack_sequence_as(states, more)
            states = tree.map_structure(lambda a, b: a + b, states, more)
            if layer.return_sequences:
                return last_output, outputs + tap, states
            return last_output + tap, outputs, states

        return listen

    for number, (path, layer) in enumerate(layers):
        layer.__dict__["inner_loop"] = listener(number, path, layer)
    try:
        yield
    finally:
        for _, layer in layers:
            layer.__dict__.pop("inner_loop", None)


def _walks(
    path: str, layer: Any, sequences: Any, initial_state: Any, mask: Any
) -> list[Walk]:
    """The walks of a layer's cells over what it read."""
    if isinstance(mask, Steps):
        if mask.resets is not None:
            raise DataError(f"{path}: expected a call without resets")
        mask = mask.mask
    cells = list(getattr(layer.cell, "cells", [layer.cell]))
    try:
        stack = equations_of_stack(cells, sequences.shape)
    except Untraced as reason:
        raise DataError(
            f"{path}: expected a cell whose equations are known: {reason}; write it "
            "with @refrain.cell, or with operations of keras.ops on whole vectors"
        ) from None
    x = _number(path, sequences)
    counted = None if mask is None else _number(path, mask)
    if layer.go_backwards:
        x = x[:, ::-1]
        counted = None if counted is None else counted[:, ::-1]
    states = iter([_number(path, s) for s in tree.flatten(initial_state)])
    walks: list[Walk] = []
    for sized, cell in zip(stack, cells, strict=True):
        first = {name: next(states) for name in sized.cell.states}
        walks.append(walk(sized, _weights(sized, cell, x.shape[-1]), x, first, counted))
        x, counted = walks[-1].outputs, walks[-1].counted
    return walks


def _number(path: str, tensor: Any) -> Any:
    try:
        return ops.convert_to_numpy(tensor)
    except Exception:  # of the backend's own type
        raise DataError(
            f"{path}: expected a layer that is called on numbers, not inside of "
            "another that maps it over an axis"
        ) from None


def _weights(sized: SizedCell, cell: Any, features: int) -> dict[str, Any]:
    values = weights_of(sized, cell, features).values()
    return {name: ops.convert_to_numpy(value) for name, value in values.items()}


def _loss_of(model: Any, x: Any, y: Any, loss: Any) -> Callable[[], Any]:
    """Computes the sum of the sequences' losses."""
    if loss is None and getattr(model, "loss", None) is None:
        raise DataError(
            f"{model.name}: expected a loss for the targets, for the model is not "
            'compiled; e.g. loss="mse"'
        )
    with _refusing("the loss is not known"):
        function = keras.losses.get(loss if loss is not None else model.loss)
    if not callable(function):
        raise DataError(f"expected one loss for one output, received {function!r}")
    if not isinstance(function, keras.losses.Loss):
        function = _Loss(function)
    targets: Any = ops.convert_to_tensor(y)

    def total() -> Any:
        mean: Any = ops.mean(function(targets, model(x, training=False)))
        return mean * len(targets)

    return total


class _Loss(keras.losses.Loss):
    """A function as Keras makes a loss of it, which leaves out masked steps."""

    def __init__(self, function: Callable[[Any, Any], Any]):
        super().__init__()
        self.function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.function(y_true, y_pred)


def _add_gradients(
    heard: list[Heard], taps: list[list[Any]], loss: Callable[[], Any]
) -> None:
    """Give each layer the gradient that arrives at what leaves it."""
    backend = keras.backend.backend()
    bridge = importlib.import_module(f"refrain.bridge.{backend}")
    if not hasattr(bridge, "gradient"):
        raise DataError(
            f"Keras's {backend} backend has no gradients, which targets ask for; "
            "choose another one with KERAS_BACKEND=jax"
        )
    layers = [(h.path, h.layer) for h in heard]

    def of_taps(*flat: Any) -> Any:
        with _listening(layers, lambda *_: None, tree.pack_sequence_as(taps, flat)):
            return loss()

    with _refusing("the loss cannot be computed of the targets"):
        flat = bridge.gradient(of_taps, tree.flatten(taps))
    arrays = tree.pack_sequence_as(taps, [ops.convert_to_numpy(g) for g in flat])
    for each, (outputs, *states) in zip(heard, arrays, strict=True):
        way = each.walks[-1]
        if not each.layer.return_sequences:
            steps = way.places.shape[1]
            outputs = np.pad(outputs[:, None], ((0, 0), (steps - 1, 0), (0, 0)))
        elif each.layer.zero_output_for_mask:
            # What a skipped step puts out is no output of the step before it.
            outputs = outputs * (np.diff(way.places, prepend=-1) > 0)[..., None]
        each.grad_outputs = np.asarray(outputs, np.float64)
        names = list(way.states)
        each.grad_last = dict(zip(names, states[-len(names) :], strict=True))
