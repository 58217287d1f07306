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
from refrain.export.writer import FLOAT, Name, Writer

OPSET, IR_VERSION = 18, 9  # of 2022 and 2023; every runtime since reads them


def finish(
    w: Writer, name: str, inputs: Sequence[Any], outputs: Sequence[Any]
) -> onnx.ModelProto:
    """The model of a written graph, checked by ONNX's own rules.

    Args:
        w: the graph.
        name: the model's name.
        inputs: declarations.
        outputs: declarations, or names, whose shapes are then found.
    """
    declared = [
        helper.make_tensor_value_info(o, FLOAT, None) if isinstance(o, str) else o
        for o in outputs
    ]
    model = helper.make_model(
        w.graph(name, inputs, declared),
        producer_name="refrain",
        producer_version=refrain.__version__,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    found = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    for declaration, known in zip(model.graph.output, found.graph.output, strict=True):
        declaration.CopyFrom(known)
        sizes = declaration.type.tensor_type.shape.dim
        for axis, size in zip(("batch", "time"), sizes, strict=False):
            if not size.HasField("dim_value"):
                size.dim_param = axis
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
