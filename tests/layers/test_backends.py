"""The layers on other backends: the same tests, each in a process of its own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

HERE = Path(__file__).parent
SAME = {
    "torch": (
        *("contract", "masks", "states", "mistakes", "cells", "float32", "float64"),
        *("traced", "sight", "unread", "differential"),
        *("linear", "beyond", "both_directions", "truncation", "embedding"),
    ),
    "tensorflow": (
        *("masks", "mistakes", "unread", "differential"),
        *("beyond", "both_directions", "truncation", "embedding"),
    ),
}

if keras.backend.backend() != "jax":
    pytest.skip("this is such a process", allow_module_level=True)


@pytest.mark.parametrize("backend", SAME)
def test_layers_pass_the_same_tests_on(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    files = [str(HERE / f"test_{name}.py") for name in SAME[backend]]
    # Keras's own way from torch to NumPy warns of NumPy 2.
    quiet = "ignore:__array__ implementation:DeprecationWarning"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", quiet, *files],
        env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:]
