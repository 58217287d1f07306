"""Native code with weights in fewer bits, and with words in place of frames."""

import keras
import numpy as np
import pytest

import refrain
from refrain.keras import layers as ours
from tests.export.programs import built, c_program, js_program, printed
from tests.export.test_native import needs
from tests.stream.test_stream import randomised

L = keras.layers
# Keras's own, when it reads a variable on JAX with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")


def numbers(rng):
    made = [L.Input((None, 5)), ours.LSTM(19), L.Dense(3), L.Softmax()]
    return randomised(keras.Sequential(made), rng)


def words(rng, padding=False):
    made = [
        L.Input((None,), dtype="int32"),
        L.Embedding(11, 6, mask_zero=padding),
        ours.GRU(9),
        L.Dense(2),
    ]
    return randomised(keras.Sequential(made), rng)


def in_c(folder, x, weights=None):
    (folder / "main.c").write_text(c_program(x, weights))
    built(folder, "gcc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
    return printed(["./main"], folder)


def in_node(folder, x, header):
    (folder / "main.js").write_text(js_program(x, header))
    return printed(["node", "main.js"], folder)


@needs("gcc")
@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("weights", ["bfloat16", "int8"])
def test_c_computes_what_a_stream_with_these_weights_does(
    weights, separate, tmp_path, rng
):
    model, x = numbers(rng), rng.normal(size=(9, 5)).astype("float32")
    path = tmp_path / "net.o"
    made = refrain.export.native(model, path, weights=weights, separate=separate)
    found = in_c(tmp_path, x, made.files[2] if separate else None)
    expected = refrain.stream.open(model, weights=weights).run(x).ravel()
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    exact = refrain.stream.open(model).run(x).ravel()
    assert 1e-4 < np.abs(found - exact).max() < 0.05
    assert 1e-4 < made.lost < 0.05


@needs("node")
@needs("wasm-ld")
@pytest.mark.parametrize("weights", ["float32", "bfloat16", "int8"])
def test_webassembly_does_so_too(weights, tmp_path, rng):
    model, x = numbers(rng), rng.normal(size=(9, 5)).astype("float32")
    path = tmp_path / "net.wasm"
    made = refrain.export.native(model, path, target="wasm32", weights=weights)
    found = in_node(tmp_path, x, made.files[1])
    expected = refrain.stream.open(model, weights=weights).run(x).ravel()
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_int8_takes_a_quarter_of_the_bytes(tmp_path):
    model = keras.Sequential([L.Input((None, 64)), ours.LSTM(128)])
    sizes = {}
    for weights in ("float32", "bfloat16", "int8"):
        path = tmp_path / f"{weights}.o"
        made = refrain.export.native(model, path, weights=weights, separate=True)
        _, header, array = made.files
        sizes[weights] = array.stat().st_size
        assert f"weights in {weights}" in header.read_text()
        assert (made.lost == 0) is (weights == "float32")
    assert sizes["bfloat16"] < 0.52 * sizes["float32"]
    assert sizes["int8"] < 0.28 * sizes["float32"]


@needs("gcc")
@pytest.mark.parametrize("separate", [False, True])
def test_words_enter_c_as_whole_numbers(separate, tmp_path, rng):
    model, x = words(rng), rng.integers(11, size=9).astype("int32")
    x[0] = 10
    made = refrain.export.native(model, tmp_path / "net.o", separate=separate)
    assert "NET_WORDS = 11" in made.files[1].read_text()
    found = in_c(tmp_path, x, made.files[2] if separate else None).reshape(9, 2)
    for t in (1, 4, 9):
        expected = model.predict(x[None, :t], verbose=0)[0]
        np.testing.assert_allclose(found[t - 1], expected, atol=1e-6)


@needs("node")
@needs("wasm-ld")
def test_words_enter_webassembly(tmp_path, rng):
    model, x = words(rng), rng.integers(11, size=9).astype("int32")
    made = refrain.export.native(model, tmp_path / "net.wasm", target="wasm32")
    found = in_node(tmp_path, x, made.files[1]).reshape(9, 2)
    expected = model.predict(x[None], verbose=0)[0]
    np.testing.assert_allclose(found[-1], expected, atol=1e-6)


@needs("gcc")
@pytest.mark.parametrize("word", [11, -1, 2**31 - 1, -(2**31), 0])
def test_a_number_that_is_no_word_makes_all_outputs_nan(word, tmp_path, rng):
    model = words(rng, padding=True)
    x = np.array([3, 7, word, 5], "int32")
    refrain.export.native(model, tmp_path / "net.o")
    found = in_c(tmp_path, x).reshape(4, 2)
    assert np.isfinite(found[:2]).all()
    assert np.isnan(found[2:]).all()
