"""Keras's own tests of recurrent layers, which its wheel ships, on refrain's layers."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from tests.keras.replaced import EXCLUDED

TESTS = Path(keras.__file__).parent / "src" / "layers" / "rnn"
OURS = ("simple_rnn", "lstm", "gru", "bidirectional", "rnn", "stacked_rnn_cells")
FILES = [*OURS, "time_distributed", "dropout_rnn_cell"]
# Layers that are Keras's own.
LEFT_OUT = ["conv_lstm", "conv_lstm1d", "conv_lstm2d", "conv_lstm3d"]
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_keras_own_tests_pass_with_our_layers(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    report = tmp_path / "report.json"
    settings = {
        "KERAS_BACKEND": backend,
        "REFRAIN_SUITE_REPORT": str(report),
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # what runs once compiles faster
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    # Without settings of ours: Keras's tests are no tests of this project.
    options = [
        "-q",
        "-c",
        os.devnull,
        "--rootdir",
        str(TESTS),
        "-p",
        "no:cacheprovider",
    ]
    files = [str(TESTS / f"{name}_test.py") for name in FILES]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *options,
            "-p",
            "tests.keras.replaced",
            *files,
        ],
        env={**os.environ, **settings},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    found = json.loads(report.read_text())
    assert found["outcomes"]["passed"] >= 60
    # Besides those left out, one of Keras's runs on TensorFlow alone.
    assert found["outcomes"]["skipped"] <= len(EXCLUDED) + 1
    for name in OURS:
        assert found["used"][f"{name}_test"] >= 10, f"{name}: nothing was replaced"


def test_what_is_left_out_is_told():
    shipped = {file.name.removesuffix("_test.py") for file in TESTS.glob("*_test.py")}
    assert shipped == {*FILES, *LEFT_OUT}
    page = (ROOT / "docs" / "semantics.md").read_text()
    for name in (*EXCLUDED, *(f"{name}_test.py" for name in LEFT_OUT)):
        assert f"`{name}`" in page
