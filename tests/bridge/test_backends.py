"""Bridges to other array libraries: each in a process of its own, as Keras has one."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

HERE = Path(__file__).parent
SAME = ("test_meaning.py", "test_refusals.py", "test_paths.py")
PROCESSES = {
    "numpy": ("numpy", SAME, {}),
    "torch": ("torch", (*SAME, "on_torch.py"), {}),
    "tensorflow": (
        "tensorflow",
        (*SAME, "on_tensorflow.py"),
        {"TF_CPP_MIN_LOG_LEVEL": "3"},
    ),
    "two devices": (
        "jax",
        ("on_two_devices.py",),
        {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
    ),
}
QUIET = (
    "ignore:__array__ implementation:DeprecationWarning",  # Keras, from torch to NumPy
)

if keras.backend.backend() != "jax":
    pytest.skip("this is one of those processes", allow_module_level=True)


@pytest.mark.parametrize("name", PROCESSES)
def test_bridges_pass_their_tests_on(name):
    backend, files, settings = PROCESSES[name]
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    command = [sys.executable, "-m", "pytest", "-q", *(f"-W{q}" for q in QUIET)]
    done = subprocess.run(
        [*command, *(str(HERE / file) for file in files)],
        env={**os.environ, **settings, "KERAS_BACKEND": backend},
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
