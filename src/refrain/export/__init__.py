"""Models that leave Python: `onnx` writes a file for ONNX Runtime and its like."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from refrain.errors import ExportError

__all__ = ["onnx"]


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
