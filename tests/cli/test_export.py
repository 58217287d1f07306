"""`refrain export`: a file and a line that names it, or a line that says why not."""

import re

import keras
import numpy as np
import onnxruntime
import pytest

from refrain import layers

# Keras's own, when it reads a variable on JAX with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")


@pytest.fixture
def saved(tmp_path):
    inner = [layers.GRU(4, return_sequences=True, name="gru"), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((None, 3)), *inner])
    model.save(tmp_path / "model.keras")
    return model, tmp_path / "model.keras"


def test_onnx_file_lies_beside_the_model(refrain, saved, rng):
    model, file = saved
    ended = refrain("export", "onnx", file)
    made = file.with_suffix(".onnx")
    assert (ended.code, ended.out) == (0, f"Written: {made}\n")
    x = rng.normal(size=(2, 7, 3)).astype("float32")
    session = onnxruntime.InferenceSession(made)
    (entry,) = session.get_inputs()
    (found,) = session.run(None, {entry.name: x})
    np.testing.assert_allclose(found, model.predict(x, verbose=0), atol=1e-6)


def test_options_add_inputs(refrain, saved, tmp_path):
    made = tmp_path / "stream.onnx"
    ended = refrain("export", "onnx", saved[1], "-o", made, "--streaming", "--lengths")
    assert ended.code == 0, ended.err
    session = onnxruntime.InferenceSession(made)
    names = [i.name for i in session.get_inputs()]
    assert names[1:] == ["lengths", "gru.h", "gru.held"]
    assert [o.name for o in session.get_outputs()][1:] == ["new_gru.h", "new_gru.held"]


def test_mistakes_are_one_line(refrain, tmp_path):
    ended = refrain("export", "onnx", tmp_path / "none.keras")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert "no such file" in ended.err


def test_what_fewer_bits_cost_is_told(refrain, saved):
    ended = refrain("export", "native", saved[1], "--weights", "int8", "--separate")
    files = [saved[1].with_suffix(suffix) for suffix in (".o", ".h", ".weights")]
    assert ended.code == 0, ended.err
    written, told = ended.out.splitlines()
    assert written == f"Written: {', '.join(map(str, files))}"
    assert re.fullmatch(
        r"Weights in int8 change outputs by \d[\d.e-]* % of the largest one at most, "
        "over 100 random frames.",
        told,
    )


def test_native_code_lies_beside_the_model(refrain, saved):
    ended = refrain("export", "native", saved[1], "--target", "cortex-m4")
    files = [saved[1].with_suffix(suffix) for suffix in (".o", ".h")]
    assert (ended.code, ended.out) == (0, f"Written: {files[0]}, {files[1]}\n")
    assert "MODEL_FEATURES = 3" in files[1].read_text()
