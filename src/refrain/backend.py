"""Which array library Keras runs on, decided before Keras is imported.

The user's choice counts first: `KERAS_BACKEND`, then `keras.json`. Without either,
JAX: small to install on CPU, with compiled training steps.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

# What Keras writes itself where the file is missing: nobody's choice, even though the
# backend that it names may be installed.
_WRITTEN_BY_KERAS = {
    "floatx": "float32",
    "epsilon": 1e-07,
    "backend": "tensorflow",
    "image_data_format": "channels_last",
}


def choose() -> None:
    """Set `KERAS_BACKEND` to JAX unless the user has chosen, or imported Keras."""
    if "keras" in sys.modules or os.environ.get("KERAS_BACKEND"):
        return
    if not _settled_in_file():
        os.environ["KERAS_BACKEND"] = "jax"


def chosen() -> str:
    """The backend that Keras runs on, or will once it is imported."""
    if "keras" in sys.modules:
        return sys.modules["keras"].backend.backend()
    return os.environ.get("KERAS_BACKEND") or _settled_in_file()


def _settled_in_file() -> str:
    """The backend that the user's `keras.json` names; empty where none counts."""
    home = Path(os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser())
    try:
        settings = json.loads((home / "keras.json").read_text())
        backend = settings["backend"]
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    if settings == _WRITTEN_BY_KERAS or not isinstance(backend, str):
        return ""
    installed = backend == "numpy" or importlib.util.find_spec(backend) is not None
    return backend if installed else ""
