"""Models and weights that exist elsewhere, and the way back: Keras, PyTorch, ONNX.

Stands on the layers. Each library is imported in the file that is named after it, when
a function of that file is called.
"""

from refrain.convert.models import accelerate, restore, to_keras
from refrain.convert.onnx import from_onnx
from refrain.convert.report import report
from refrain.convert.torch import from_torch, to_torch

__all__ = [
    "accelerate",
    "from_onnx",
    "from_torch",
    "report",
    "restore",
    "to_keras",
    "to_torch",
]
