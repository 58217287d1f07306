"""Models and weights that exist elsewhere, and the way back: Keras, PyTorch, ONNX.

Stands on the layers. Each library is imported in the file that is named after it, when
a function of that file is called.
"""

from refrain.convert.models import accelerate, restore, to_keras
from refrain.convert.report import report

__all__ = ["accelerate", "report", "restore", "to_keras"]
