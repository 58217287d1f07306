"""A finished ONNX model, and how ONNX Runtime computes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper

import refrain
from refrain.errors import ExportError
from refrain.export.writer import Name, Writer

OPSET, IR_VERSION = 18, 9  # of 2022 and 2023; every runtime since reads them


def finish(
    w: Writer, name: str, inputs: Sequence[Any], outputs: Sequence[Any]
) -> onnx.ModelProto:
    """The model of a written graph, checked by ONNX's own rules."""
    model = helper.make_model(
        w.graph(name, inputs, outputs),
        producer_name="refrain",
        producer_version=refrain.__version__,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def run(
    model: onnx.ModelProto, *feeds: Mapping[Name, np.ndarray]
) -> list[dict[Name, np.ndarray]]:
    """The model's results for each of some inputs."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails, fails with an error
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        names = [o.name for o in session.get_outputs()]
        found: list[Any] = [session.run(names, dict(feed)) for feed in feeds]
    except Exception as fault:  # of many types, none of them documented
        reason = str(fault).split("\n")[0]
        raise ExportError(f"ONNX Runtime refuses the model: {reason}") from None
    return [dict(zip(names, results, strict=True)) for results in found]
