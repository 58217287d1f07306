"""Two recurrent layers over the same sequences, one of them against time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops, tree

from refrain.errors import CellError
from refrain.layers.checks import mask_of_call
from refrain.layers.equations import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class Bidirectional(keras.layers.Bidirectional):
    """Two copies of a recurrent layer, one against time: keras.layers.Bidirectional.

    Lengths and resets are for both directions: `resets` marks the steps at which
    sequences begin, so the copy that reads against time starts anew at their ends.
    """

    def __init__(self, layer: Any, *args: Any, **kwargs: Any):
        super().__init__(layer, *args, **kwargs)
        for part in (self.forward_layer, self.backward_layer):
            if getattr(part, "return_all_states", False):
                raise CellError(
                    f"{self.name}: expected layers without return_all_states.\n"
                    "  Hint: use two layers, one with go_backwards=True."
                )

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
        if resets is not None:
            return self._call_with_resets(
                sequences, initial_state, mask, training, resets
            )
        return super().call(sequences, initial_state, mask, training)

    def _call_with_resets(
        self, sequences, initial_state, mask, training, resets
    ) -> Any:
        states: list[Any] = [None, None]
        if initial_state is not None:
            half = len(initial_state) // 2
            states = [initial_state[:half], initial_state[half:]]
        given = {"mask": mask, "training": training, "resets": resets}
        layers = self.forward_layer, self.backward_layer
        found = [
            layer(sequences, initial_state=state, **given)
            for layer, state in zip(layers, states, strict=True)
        ]
        last = [s for each in found for s in each[1:]] if self.return_state else []
        both = [each[0] if self.return_state else each for each in found]
        forward, backward = (ops.cast(each, self.compute_dtype) for each in both)
        if self.return_sequences:
            backward = ops.flip(backward, axis=1)
        merged = _MERGE[self.merge_mode](forward, backward)
        if self.merge_mode is None:
            return (*merged, *last)
        return (merged, *last) if self.return_state else merged

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


_MERGE: dict[str | None, Callable[[Any, Any], Any]] = {
    "concat": lambda a, b: ops.concatenate([a, b], axis=-1),
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
    None: lambda a, b: (a, b),
}


def _explain(layer: Any, details: bool) -> str:
    """Which path runs a recurrent layer, and why; also of a layer of Keras's own."""
    if hasattr(layer, "explain"):
        return layer.explain(details)
    backend = keras.backend.backend()
    return f"{layer.name}: Keras's own layer on {backend}, not one of refrain's"
