"""Two recurrent layers over the same sequences, one of them against time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops, tree

from refrain.errors import LayerError
from refrain.layers.checks import CheckedWeights, carry_mask, mask_of_call
from refrain.layers.equations import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class Bidirectional(CheckedWeights, keras.layers.Bidirectional):
    """Two copies of a recurrent layer, one against time: keras.layers.Bidirectional.

    Lengths and resets are for both directions: `resets` marks the steps at which
    sequences begin, so the copy that reads against time starts anew at their ends.
    All states, where the layers return them, come behind all else, those of the
    forward layer first, and each at the step of time to which it belongs.
    """

    def __init__(self, layer: Any, *args: Any, **kwargs: Any):
        super().__init__(layer, *args, **kwargs)
        forward, backward = (
            getattr(part, "return_all_states", False) for part in self._parts()
        )
        if forward != backward:
            raise LayerError(
                f"{self.name}: expected layers with the same return_all_states, "
                f"received {forward} forward and {backward} backward"
            )
        self.return_all_states = forward

    def _parts(self) -> tuple[Any, Any]:
        return self.forward_layer, self.backward_layer

    def call(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool | None = None,
        resets: Any = None,
        lengths: Any = None,
    ) -> Any:
        """Run both directions and merge them; arguments as of the layers."""
        mask = mask_of_call(self.name, sequences, mask, resets, lengths)
        states: list[Any] = [None, None]
        if initial_state is not None:
            half = len(initial_state) // 2
            states = [initial_state[:half], initial_state[half:]]
        found = []
        for layer, state in zip(self._parts(), states, strict=True):
            given = {"mask": mask} if layer._call_has_mask_arg else {}
            if layer._call_has_training_arg:
                given["training"] = training
            if resets is not None:
                given["resets"] = resets
            returned = layer(sequences, initial_state=state, **given)
            found.append(self._listed(returned))
        forward, backward = (ops.cast(each[0], self.compute_dtype) for each in found)
        if self.return_sequences:
            backward = ops.flip(backward, axis=1)
        merged = _MERGE[self.merge_mode](forward, backward)
        if lengths is not None and self.return_sequences:
            for output in merged:
                carry_mask(output, mask)
        every = [found[0][self._count() :], found[1][self._count() :]]
        every[1] = [ops.flip(states, axis=1) for states in every[1]]
        last = [state for each in found for state in each[1 : self._count()]]
        return self._returned([*merged, *last, *every[0], *every[1]])

    def _listed(self, returned: Any) -> list[Any]:
        """What a layer returns, or its shapes, as a list."""
        alone = not (self.return_state or self.return_all_states)
        return [returned] if alone else list(returned)

    def _returned(self, found: list[Any]) -> Any:
        """What is returned: a tuple, or the only thing of it."""
        return tuple(found) if len(found) > 1 else found[0]

    def _count(self) -> int:
        """How many things a layer returns before its sequences of states."""
        states = len(self.forward_layer.state_size) if self.return_state else 0
        return 1 + states

    def compute_output_shape(
        self, sequences_shape: Any, initial_state_shape: Any = None
    ) -> Any:
        """Shapes of all that a call returns."""
        if not self.return_all_states:
            return super().compute_output_shape(sequences_shape, initial_state_shape)
        found = [
            self._listed(layer.compute_output_shape(sequences_shape))
            for layer in self._parts()
        ]
        first = [tuple(each[0]) for each in found][: 1 if self.merge_mode else 2]
        if self.merge_mode == "concat":
            first = [(*first[0][:-1], first[0][-1] + found[1][0][-1])]
        last = [shape for each in found for shape in each[1 : self._count()]]
        every = [shape for each in found for shape in each[self._count() :]]
        return (*first, *last, *every)

    def compute_mask(self, _: Any, mask: Any) -> Any:
        """Masks of all that a call returns; none for last states."""
        (given, *_), count = tree.flatten(mask), self._count() - 1
        first = [given if self.return_sequences else None] * (
            1 if self.merge_mode else 2
        )
        every = len(tree.flatten(self.forward_layer.state_size))
        more = [given] * (2 * every) if self.return_all_states else []
        return self._returned([*first, *[None] * (2 * count), *more])

    def explain(self, details: bool = False) -> str:
        """Which path runs each direction, and why; `details` as for other layers."""
        return "\n".join(_explain(layer, details) for layer in self._parts())


_MERGE: dict[str | None, Callable[[Any, Any], tuple[Any, ...]]] = {
    "concat": lambda a, b: (ops.concatenate([a, b], axis=-1),),
    "sum": lambda a, b: (a + b,),
    "mul": lambda a, b: (a * b,),
    "ave": lambda a, b: ((a + b) / 2,),
    None: lambda a, b: (a, b),
}


def _explain(layer: Any, details: bool) -> str:
    """Which path runs a recurrent layer, and why; also of a layer of Keras's own."""
    if hasattr(layer, "explain"):
        return layer.explain(details)
    backend = keras.backend.backend()
    return f"{layer.name}: Keras's own layer on {backend}, not one of refrain's"
