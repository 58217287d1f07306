"""What `import refrain` brings, and what it leaves alone until a name needs it."""

import json
import os
import subprocess
import sys

import pytest

import refrain

WHICH = "import refrain, refrain.keras; print(refrain.keras.backend.backend())"


def printed(code, **settings):
    """What a fresh process prints; a setting of None is taken away."""
    environment = {k: v for k, v in (os.environ | settings).items() if v is not None}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_cell_is_written_and_read_without_a_framework():
    code = (
        "import sys, refrain\n"
        "refrain.cells.lstm(3).graph, refrain.functions.tanh, refrain.cell\n"
        "print(*(m for m in ('keras', 'jax', 'torch', 'tensorflow', 'llvmlite')"
        " if m in sys.modules))"
    )
    assert printed(code) == ""


@pytest.mark.parametrize("name", refrain.__all__)
def test_every_public_name_is_there(name):
    assert getattr(refrain, name) is getattr(refrain, name)
    assert name in dir(refrain)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'refrain' has no attribute 'lstn'"):
        _ = refrain.lstn


def test_keras_runs_on_jax_unless_told_otherwise(tmp_path):
    home = str(tmp_path)
    assert printed(WHICH, KERAS_BACKEND=None, KERAS_HOME=home) == "jax"
    # Keras has written its settings file by now; the next process must agree.
    assert (tmp_path / "keras.json").exists()
    assert printed(WHICH, KERAS_BACKEND=None, KERAS_HOME=home) == "jax"


def test_keras_runs_on_what_keras_json_names(tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "numpy"}))
    assert printed(WHICH, KERAS_BACKEND=None, KERAS_HOME=str(tmp_path)) == "numpy"


def test_keras_that_is_there_already_keeps_its_backend(tmp_path):
    code = (
        "import os\nos.environ['KERAS_BACKEND'] = 'numpy'\nimport keras\n"
        "del os.environ['KERAS_BACKEND']\n" + WHICH
    )
    assert printed(code, KERAS_HOME=str(tmp_path)) == "numpy"
