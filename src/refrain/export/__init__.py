"""Models that leave Python.

`onnx` writes a file for ONNX Runtime and its like, `native` code for C.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from refrain.errors import ExportError

if TYPE_CHECKING:
    from refrain.export.c_code import Written

__all__ = ["native", "onnx"]


def onnx(
    model: Any,
    path: str | os.PathLike[str],
    *,
    streaming: bool = False,
    lengths: bool = False,
) -> Path:
    """Write a Keras model as an ONNX file.

    A cell whose equations are those of ONNX's LSTM, GRU or RNN becomes that node; any
    other cell becomes a Scan. Batch and time are dynamic. Before the file is written,
    ONNX Runtime computes the model at several batches and lengths, and has to find
    what the model itself finds.

    Args:
        model: a built Keras model, Sequential or functional.
        path: the file, `*.onnx`; replaced if it exists.
        streaming: every state of the network is an input, `layer.state`, and an
            output, `new_layer.state`, so that a sequence can come in pieces.
        lengths: one more input, `lengths`, tells how many steps of each sequence
            count, as a mask does in Keras.

    Returns:
        The file.

    Raises:
        ExportError: a layer has no form in ONNX, and the message names it and says
            why; or the extra `onnx` is not installed.
    """
    try:
        from refrain.export.onnx_file import write_onnx
    except ModuleNotFoundError as missing:
        raise ExportError(
            f"{missing.name} is not installed; run: pip install 'refrain[onnx]'"
        ) from None
    return write_onnx(model, Path(path), streaming, lengths)


def native(
    model: Any,
    path: str | os.PathLike[str],
    *,
    target: str = "host",
    weights: str = "float32",
    separate: bool = False,
) -> Written:
    """Write a Keras model as native code with a C header.

    The code steps through a sequence frame by frame, with the states kept in memory
    that the caller provides. It allocates nothing and calls nothing. Before it is
    written, the same code for this machine has to compute what the equations mean.

    Args:
        model: a built Keras model of layers that a stream may have, see
            docs/stream.md; its output leaves at every step. Where it begins with an
            Embedding, whole numbers of 32 bits enter.
        path: `*.o` for an object file, `*.so` for a shared library, `*.wasm` for a
            WebAssembly module; functions are called after it.
        target: the processor, by name: `host`, `x86-64`, `x86-64-v3`, `aarch64`,
            `cortex-m4`, `cortex-m7`, `riscv32`, `riscv64`, `wasm32`.
        weights: how matrices are stored, `float32`, `bfloat16` or `int8` with a scale
            for each unit. All is computed in float32.
        separate: the weights are not in the code but in a file `*.weights`, and are
            passed to each call.

    Returns:
        The files that were written, and what fewer bits cost in accuracy.

    Raises:
        ExportError: the model has no such form; the message says why.
    """
    from refrain.export.c_code import Form, write_native
    from refrain.network.compose import compose
    from refrain.network.cut import without_embedding
    from refrain.network.live import network_of

    network, embedding = without_embedding(network_of(model))
    task, variables = compose(network)
    table = None
    if embedding is not None:
        table = np.array(embedding.weights[0], np.float32)
        if embedding.config.get("mask_zero"):
            table[0] = np.nan  # 0 fills up the sequences of a batch, and is no word
    form = Form(target, weights, separate)
    return write_native(task, variables, Path(path), form, model.name, table)
