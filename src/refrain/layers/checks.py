"""What a recurrent layer is given, checked and put in one form before any work."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, cast

import keras
import numpy as np
from keras import ops, tree
from keras.backend import standardize_dtype
from keras.src import backend

from refrain.cells import Cell, SizedCell
from refrain.errors import LayerError
from refrain.graph.functions import ACTIVATIONS

Shape = Sequence[int | None]


def sized_cell(cell: Any) -> SizedCell:
    """A cell with its number of units, as it is.

    Raises:
        LayerError: it is something else.
    """
    if isinstance(cell, SizedCell):
        return cell
    if isinstance(cell, Cell):
        raise LayerError(
            f"{cell.name}: expected a number of units, e.g. {cell.name}(128)"
        )
    raise LayerError(f"expected a cell with its units, e.g. lstm(128); received {cell}")


def check_activations(kind: str, args: Sequence[Any], kwargs: Any) -> None:
    """Refuse arguments of a layer with a name that is no activation of Keras.

    Raises:
        LayerError: one is unknown.
    """
    # They follow the number of units.
    given = [*args[1:3], kwargs.get("activation"), kwargs.get("recurrent_activation")]
    for name in (n for n in given if isinstance(n, str)):
        try:
            keras.activations.get(name)
        except ValueError:
            near = difflib.get_close_matches(name, ACTIVATIONS, 1)
            hint = f"did you mean {near[0]}?" if near else "or give a function."
            raise LayerError(
                f"{kind}: expected an activation among {', '.join(ACTIVATIONS)}; "
                f"received {name!r}.\n  Hint: {hint}"
            ) from None


def check_batch(layer: Any, sequences: Any) -> None:
    """Refuse another number of sequences than a stateful layer keeps states for.

    Raises:
        LayerError: there are more or fewer.
    """
    expected, received = layer._expected_batch_size, sequences.shape[0]
    if layer.stateful and None not in (expected, received) and expected != received:
        raise LayerError(
            f"{layer.name}: expected the batch size {expected}, for which a stateful "
            f"layer keeps states; received {received}.\n  Hint: leave out an "
            "incomplete last batch, or make a layer with stateful=False for other "
            "sizes, with the same weights."
        )


class CheckedWeights:
    """For layers: they say which weights they take."""

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set the weights, in the order of `weights`, to arrays of their shapes.

        Raises:
            LayerError: they are others, by number or shape.
        """
        layer, above = cast(Any, self), cast(Any, super())
        expected = [tuple(weight.shape) for weight in layer.weights]
        received = [np.shape(array) for array in weights]
        if expected != received:
            named = ", ".join(f"{w.name} {tuple(w.shape)}" for w in layer.weights)
            raise LayerError(
                f"{layer.name}: expected weights of shape {named or 'none'}; received "
                f"{_listed(received)}.\n  Hint: build the layer first; weights of "
                "PyTorch and ONNX are packed otherwise, see refrain.from_torch and "
                "from_onnx."
            )
        above.set_weights(weights)


def checked_states(
    name: str, cells: Sequence[SizedCell], given: Any, batch: int | None
) -> list[list[Any]]:
    """States, one list a cell.

    Raises:
        LayerError: their number or a shape is not what the cells expect.
    """
    sizes = [size for cell in cells for size in cell.state_size]
    rest = iter(_checked(name, [(batch, size) for size in sizes], given))
    return [[next(rest) for _ in cell.cell.states] for cell in cells]


def as_structured(name: str, starts: Any, given: Any, batch: int | None) -> Any:
    """States in the structure of those at which sequences start.

    Raises:
        LayerError: their number or a shape is another one.
    """
    shapes = [(batch, *start.shape[1:]) for start in tree.flatten(starts)]
    return tree.pack_sequence_as(starts, _checked(name, shapes, given))


def _checked(name: str, expected: Sequence[Shape], given: Any) -> list[Any]:
    """States in one list, if they have the expected shapes."""
    states = tree.flatten(given)
    received = [tuple(state.shape) for state in states]
    if len(received) != len(expected) or not all(map(_fits, received, expected)):
        raise LayerError(
            f"{name}: expected states of shape {_listed(expected)}, received "
            f"{_listed(received)}.\n  Hint: one array for each state, in the order in "
            "which return_state=True gives them."
        )
    return states


def checked_mask(name: str, given: Any, sequences: Any) -> Any | None:
    """The mask as truth values `(batch, timesteps)`, or None.

    A mask of features counts a step where it holds for any of them.

    Raises:
        LayerError: it is not as long or as many as the sequences.
    """
    if given is None:
        return None
    mask: Any = ops.cast(tree.flatten(given)[0], "bool")
    if len(mask.shape) == 3:
        mask = ops.any(mask, axis=-1)
    expected = tuple(sequences.shape[:2])
    if not _fits(mask.shape, expected):
        raise LayerError(
            f"{name}: expected a mask of shape {expected}, received "
            f"{tuple(mask.shape)}.\n  Hint: one truth value for each step of each "
            "sample, true where it counts."
        )
    return mask


def checked_resets(name: str, given: Any, sequences: Any) -> Any | None:
    """The steps before which sequences begin anew, as truth values, or None.

    Raises:
        LayerError: they are not as long or as many as the sequences.
    """
    if given is None:
        return None
    resets: Any = ops.cast(given, "bool")
    expected = tuple(sequences.shape[:2])
    if not _fits(resets.shape, expected):
        raise LayerError(
            f"{name}: expected resets of shape {expected}, received "
            f"{tuple(resets.shape)}.\n  Hint: one truth value for each step of each "
            "sample, true where a sequence begins."
        )
    return resets


def mask_of_lengths(name: str, given: Any, sequences: Any, mask: Any) -> Any:
    """The mask of sequences that are padded at the end to one length.

    Raises:
        LayerError: there is not one length for each sample.
        LayerError: the lengths are no integers, or longer than the sequences, or there
            is a mask as well.
    """
    if mask is not None:
        raise LayerError(f"{name}: expected a mask or lengths, received both")
    lengths: Any = ops.convert_to_tensor(given)
    expected, kind = tuple(sequences.shape[:1]), standardize_dtype(lengths.dtype)
    if not _fits(lengths.shape, expected):
        raise LayerError(
            f"{name}: expected lengths of shape {expected}, received "
            f"{tuple(lengths.shape)}.\n  Hint: the number of steps of each sample."
        )
    if "int" not in kind:
        raise LayerError(f"{name}: expected lengths to be integers, received {kind}")
    shape: Any = ops.shape(sequences)
    longest = sequences.shape[1]
    numbers = _numbers(lengths)
    if numbers is not None and longest is not None:
        wrong = numbers[(numbers < 0) | (numbers > longest)]
        if wrong.size:
            raise LayerError(
                f"{name}: expected lengths from 0 to {longest}, the number of steps; "
                f"received {wrong[0]}"
            )
    steps: Any = ops.arange(shape[1], dtype=kind)
    return steps < ops.expand_dims(lengths, -1)


def mask_of_call(
    name: str, sequences: Any, mask: Any, resets: Any, lengths: Any
) -> Any:
    """The mask of a call: the one given, that of lengths, or one that is carried along.

    Keras looks for a carried mask, e.g. of `Embedding`, where the sequences are the
    only tensor; with resets beside them they are not.
    """
    if lengths is not None:
        return mask_of_lengths(name, lengths, sequences, mask)
    if mask is None and resets is not None:
        return backend.get_keras_mask(sequences)
    return mask


def carry_mask(tensor: Any, mask: Any) -> None:
    """Attach a mask to a tensor, for the layers that read it."""
    backend.set_keras_mask(tensor, mask)


def _numbers(tensor: Any) -> np.ndarray | None:
    """A tensor's numbers; None while a program is traced that will have them later."""
    try:
        return np.asarray(ops.convert_to_numpy(tensor))
    except (TypeError, ValueError, RuntimeError, NotImplementedError):
        return None


def _fits(shape: Shape, expected: Shape) -> bool:
    """Whether they are the same where both are known."""
    return len(shape) == len(expected) and all(
        a == b or None in (a, b) for a, b in zip(shape, expected, strict=True)
    )


def _listed(shapes: Sequence[Shape]) -> str:
    return ", ".join(map(str, shapes)) or "none"
