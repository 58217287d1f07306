"""Which array library `import refrain` chooses for Keras, in a process of its own."""

import json
import os
import subprocess
import sys

import pytest

CHOSEN = "import os, refrain; print(os.environ.get('KERAS_BACKEND'))"

# Keras writes this file when it is first imported, whatever backend it runs on.
WRITTEN = {
    "floatx": "float32",
    "epsilon": 1e-07,
    "backend": "tensorflow",
    "image_data_format": "channels_last",
}


def chosen(home, **settings):
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", CHOSEN],
        env={**environment, "KERAS_HOME": str(home), **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("content", "backend"),
    [
        (None, "jax"),
        (WRITTEN, "jax"),
        ({**WRITTEN, "backend": "numpy"}, "None"),  # left to Keras, which reads it
        ({**WRITTEN, "backend": "absent_library"}, "jax"),
        ({**WRITTEN, "backend": 3}, "jax"),
        ([], "jax"),
    ],
)
def test_jax_serves_unless_the_user_chose_in_keras_json(tmp_path, content, backend):
    if content is not None:
        (tmp_path / "keras.json").write_text(json.dumps(content))
    assert chosen(tmp_path) == backend


def test_the_environment_counts_first(tmp_path):
    assert chosen(tmp_path, KERAS_BACKEND="torch") == "torch"
