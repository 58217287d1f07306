"""Which array library Keras runs on, decided before Keras is imported.

The user's choice counts first: `KERAS_BACKEND`, then `keras.json`. Without either,
JAX: small to install on CPU, with compiled training steps.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path


def choose() -> None:
    """Set `KERAS_BACKEND` to JAX unless the user has chosen, or imported Keras."""
    if "keras" in sys.modules or os.environ.get("KERAS_BACKEND"):
        return
    if not _settled_in_file():
        os.environ["KERAS_BACKEND"] = "jax"


def _settled_in_file() -> bool:
    # Keras writes this file itself when it is missing, naming TensorFlow even where
    # that is not installed; such a file is nobody's choice.
    home = Path(os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser())
    try:
        backend = json.loads((home / "keras.json").read_text())["backend"]
    except (OSError, ValueError, LookupError, TypeError):
        return False
    return (
        isinstance(backend, str) and importlib.util.find_spec(backend) is not None
    ) or backend == "numpy"
