"""What is told of recurrent layers: which there are, and what their native code is."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from refrain.cells import SizedCell
from refrain.layers.traced import equations_of_stack

# Kept from now: `refrain.accelerate()` lets Keras's names stand for our classes.
_KerasRNN, _KerasStack = keras.layers.RNN, keras.layers.StackedRNNCells

BATCH, TIMESTEPS = 32, 100  # for which speed is measured


def cells_of(cell: Any) -> list[Any]:
    """The cells of a stack in their order, or the only one."""
    return list(cell.cells) if isinstance(cell, _KerasStack) else [cell]


def equations_of_layer(layer: Any) -> list[SizedCell]:
    """The equations of a recurrent layer's cells, of ours or of Keras's own.

    Raises:
        Untraced: those of a cell are not known, or not before the layer is built.
    """
    built = (layer.built and layer.get_build_config()) or {}
    # Keras tells one shape by this name, and more of them by the names in `build`.
    shapes = built.get("shapes_dict", {"only": built.get("input_shape", ())})
    shape = next(iter(shapes.values()))
    return equations_of_stack(cells_of(layer.cell), shape)


def kernel_details(
    cells: Sequence[SizedCell],
    features: int,
    words: int | None,
    dtype: str,
    sequence: bool,
    against_time: bool,
) -> str:
    """Plan, size, compile time and speed of the kernels that train a stack of cells.

    Args:
        cells: from the first, which reads the input, to the last.
        features: size of the input.
        words: among how many it is looked up, or None.
        dtype: `float32` or `float64`.
        sequence: every output of the last cell is wanted.
        against_time: the first cell reads from the last step to the first.
    """
    from refrain.runtime.driver import Request, kernel_for
    from refrain.runtime.processors import rows_a_thread, threads
    from refrain.runtime.report import describe, measure

    texts = []
    for k, sized in enumerate(cells):
        request = Request(
            sized,
            words or features,
            dtype,
            training=True,
            sequence=sequence or k < len(cells) - 1,
            against_time=against_time and k == 0,
            rows=rows_a_thread(BATCH),
            lookup=words is not None,
        )
        kernel = kernel_for(request)
        speeds = measure(kernel, BATCH, TIMESTEPS).items()
        measured = ", ".join(f"{name} {speed:.1f}" for name, speed in speeds)
        how = f"batch {BATCH}, {TIMESTEPS} steps, {threads()} threads"
        texts += [describe(kernel), f"  GFLOP/s ({how}): {measured}"]
        features, words = sized.output_size, None
    return textwrap.indent("\n".join(texts), "  ")


def recurrent_layers(
    layer: Any, within: str = "", *, whole: bool = False
) -> Iterator[tuple[str, Any]]:
    """Each recurrent layer inside a layer or model, with the names that lead to it.

    `whole`: a layer that explains itself, such as our Bidirectional, is one layer.
    """
    for found in layer._flatten_layers(include_self=False, recursive=False):
        path = f"{within}{found.name}"
        if isinstance(found, _KerasRNN) or (whole and hasattr(found, "explain")):
            yield path, found
        else:
            yield from recurrent_layers(found, f"{path}/", whole=whole)
