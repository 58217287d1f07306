"""refrain: recurrent networks from their equations.

Names load what they need when they are first used, so that importing the package
imports neither Keras nor an array library but NumPy.
"""

import importlib

from refrain import backend as _backend

__version__ = "0.1.0"

_backend.choose()

_NAMES = {
    "accelerate": "refrain.convert",
    "cell": "refrain.cells",
    "from_onnx": "refrain.convert",
    "from_torch": "refrain.convert",
    "matrix": "refrain.cells",
    "restore": "refrain.convert",
    "scalar": "refrain.cells",
    "to_keras": "refrain.convert",
    "to_torch": "refrain.convert",
    "vector": "refrain.cells",
    "tbptt": "refrain.layers.truncation",
}
_MODULES = (
    "cells",
    "compare",
    "convert",
    "errors",
    "export",
    "functions",
    "keras",
    "layers",
    "stream",
    "study",
    "tasks",
)

__all__ = [*_NAMES, *_MODULES]


def __getattr__(name: str):
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"refrain.{name}")
    raise AttributeError(f"module 'refrain' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
