"""Conversions on the torch backend: the same tests, in one process of its own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

HERE = Path(__file__).parent
FEW = "training_goes_on or tagger or settings or kept_states"

if keras.backend.backend() == "torch":
    pytest.skip("this is that process", allow_module_level=True)


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed"
)
def test_models_pass_the_same_tests_on_torch():
    quiet = "ignore:__array__ implementation:DeprecationWarning"
    command = [sys.executable, "-m", "pytest", "-q", "-W", quiet, "-k", FEW]
    done = subprocess.run(
        [*command, str(HERE / "test_accelerate.py")],
        env={**os.environ, "KERAS_BACKEND": "torch"},
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:]
