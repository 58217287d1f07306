"""The layers on the torch backend: the same tests, in one process of its own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

HERE = Path(__file__).parent
SAME = (
    *("contract", "masks", "states", "cells", "float64"),
    *("traced", "linear", "beyond", "truncation"),
)

if keras.backend.backend() == "torch":
    pytest.skip("this is that process", allow_module_level=True)


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed"
)
def test_layers_pass_the_same_tests_on_torch():
    files = [str(HERE / f"test_{name}.py") for name in SAME]
    # Keras's own way from torch to NumPy warns of NumPy 2.
    quiet = "ignore:__array__ implementation:DeprecationWarning"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", quiet, *files],
        env={**os.environ, "KERAS_BACKEND": "torch"},
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:]
