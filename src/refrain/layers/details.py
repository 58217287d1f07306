"""What is told of recurrent layers: which there are, and what their native code is."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from refrain.cells import SizedCell

# Kept from now: `refrain.accelerate()` lets Keras's names stand for our classes.
_KerasRNN = keras.layers.RNN

BATCH, TIMESTEPS = 32, 100  # for which speed is measured


def kernel_details(
    cells: Sequence[SizedCell],
    features: int,
    dtype: str,
    sequence: bool,
    against_time: bool,
) -> str:
    """Plan, size, compile time and speed of the kernels that train a stack of cells.

    Args:
        cells: from the first, which reads the input, to the last.
        features: size of the input.
        dtype: `float32` or `float64`.
        sequence: every output of the last cell is wanted.
        against_time: the first cell reads from the last step to the first.
    """
    from refrain.runtime.driver import Request, kernel_for, rows_a_thread, threads
    from refrain.runtime.report import describe, measure

    texts = []
    for k, sized in enumerate(cells):
        request = Request(
            sized,
            features,
            dtype,
            training=True,
            sequence=sequence or k < len(cells) - 1,
            against_time=against_time and k == 0,
            rows=rows_a_thread(BATCH),
        )
        kernel = kernel_for(request)
        speeds = measure(kernel, BATCH, TIMESTEPS).items()
        measured = ", ".join(f"{name} {speed:.1f}" for name, speed in speeds)
        how = f"batch {BATCH}, {TIMESTEPS} steps, {threads()} threads"
        texts += [describe(kernel), f"  GFLOP/s ({how}): {measured}"]
        features = sized.output_size
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
