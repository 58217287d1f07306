import re
import zipfile

import keras
import pytest

import refrain as package
from refrain import layers
from refrain.functions import sigmoid, tanh

# Keras's own, when it reads a variable on JAX with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")


def saved(folder, *inner, shape=(5, 3)):
    model = keras.Sequential([keras.Input(shape), *inner, keras.layers.Dense(1)])
    file = folder / "model.keras"
    model.save(file)
    return file


def explained(refrain, file):
    """What is said of each layer, by the layer's path and class."""
    ended = refrain("explain", file)
    assert ended.code == 0, ended.err
    blocks = re.findall(r"^(\S.*)\n((?:  .*\n)*)", ended.out, re.MULTILINE)
    assert "".join(f"{head}\n{body}" for head, body in blocks) == ended.out
    return dict(blocks)


def test_every_recurrent_layer_explains_itself_wherever_it_lies(refrain, tmp_path):
    gru = layers.GRU(3, return_sequences=True, name="inner")
    both = layers.Bidirectional(layers.SimpleRNN(2, name="way"), name="both")
    encoder = keras.Sequential([keras.Input((5, 3)), gru, both], name="encoder")
    part = layers.LSTM(2, name="part")
    inputs = keras.Input((6, 5, 3))
    each = keras.layers.TimeDistributed(encoder, name="each")(inputs)
    pieces = keras.layers.TimeDistributed(part, name="pieces")(inputs)
    outputs = layers.LSTM(4, name="last")(keras.layers.Concatenate()([each, pieces]))
    keras.Model(inputs, outputs).save(tmp_path / "model.keras")
    found = explained(refrain, tmp_path / "model.keras")
    assert list(found) == [
        "each/encoder/inner (GRU)",
        "each/encoder/both (Bidirectional)",
        "pieces/part (LSTM)",
        "last (LSTM)",
    ]
    assert gru.explain().splitlines()[0] in found["each/encoder/inner (GRU)"]
    for way in ("forward_way", "backward_way"):
        assert f"  {way}: " in found["each/encoder/both (Bidirectional)"]
    assert "equations of lstm" in found["last (LSTM)"]


def test_the_environment_changes_the_path(refrain, tmp_path, monkeypatch):
    file = saved(tmp_path, layers.GRU(3, name="gru"))
    monkeypatch.setenv("REFRAIN_KERNELS", "off")
    assert "because REFRAIN_KERNELS=off" in explained(refrain, file)["gru (GRU)"]


def test_keras_layers_are_told_what_would_change_them(refrain, tmp_path):
    class OwnLSTMCell(keras.layers.LSTMCell):
        def call(self, inputs, states, training=False):
            return super().call(inputs, states, training)

    keras.saving.register_keras_serializable("test_explain")(OwnLSTMCell)
    file = saved(
        tmp_path,
        keras.layers.LSTM(4, return_sequences=True, name="plain"),
        keras.layers.Bidirectional(
            keras.layers.GRU(2, return_sequences=True, name="way"), name="both"
        ),
        keras.layers.RNN(
            [keras.layers.LSTMCell(3), keras.layers.GRUCell(3)],
            return_sequences=True,
            name="stack",
        ),
        keras.layers.RNN(OwnLSTMCell(3), name="own"),
    )
    found = explained(refrain, file)
    loop = f"Keras's own loop on {keras.backend.backend()}"
    would = "in its place would run it from the equations of"
    assert found == {
        "plain (LSTM)": f"  plain: {loop}; refrain.keras.layers.LSTM {would} lstm\n",
        **{
            f"both/{way} (GRU)": (
                f"  {way}: {loop}; refrain.keras.layers.GRU {would} gru\n"
            )
            for way in ("forward_way", "backward_way")
        },
        "stack (RNN)": f"  stack: {loop}; refrain.keras.layers.RNN {would} lstm, gru\n",
        "own (RNN)": (
            f"  own: {loop}, because OwnLSTMCell defines a call of its own\n"
        ),
    }


def test_a_model_without_recurrence_says_so(refrain, tmp_path):
    file = saved(tmp_path, keras.layers.Dense(2))
    assert refrain("explain", file) == (0, f"{file}: no recurrent layer\n", "")


def test_a_cell_that_is_defined_here_is_explained(refrain, tmp_path):
    @package.cell(state=("h",), gates=("f", "n"))
    def explained_mgu(x, h_prev, W, U, b):
        f = sigmoid(x @ W.f + h_prev @ U.f + b.f)
        n = tanh(x @ W.n + (f * h_prev) @ U.n + b.n)
        return (1 - f) * h_prev + f * n

    file = saved(tmp_path, layers.RNN(explained_mgu(4), name="mgu"))
    assert "equations of explained_mgu" in explained(refrain, file)["mgu (RNN)"]


def test_a_cell_of_another_module_is_explained_from_the_file(start, tmp_path):
    @package.cell(state=("h",), gates=("n",))
    def far_away(x, h_prev, W, U, b):
        return tanh(x @ W.n + h_prev @ U.n + b.n)

    running = start("explain", saved(tmp_path, layers.RNN(far_away(4))))
    out, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (0, "")
    assert "equations of far_away" in out


def test_a_class_that_keras_does_not_know_is_named(refused, tmp_path):
    class Unknown(keras.layers.Layer):
        def call(self, inputs):
            return inputs

    line = refused("explain", saved(tmp_path, Unknown(), layers.LSTM(2)))
    assert "Could not locate class 'Unknown'; import the module" in line


def test_code_in_a_file_is_not_run(refused, tmp_path):
    doubled = keras.layers.Lambda(lambda x: 2 * x)
    assert "`Lambda`" in refused("explain", saved(tmp_path, doubled, layers.LSTM(2)))


def test_a_file_that_is_no_model_is_refused_before_keras_reads_it(refused, tmp_path):
    assert "none.keras: no such file" in refused("explain", tmp_path / "none.keras")
    assert "is a folder" in refused("explain", tmp_path)
    whole = saved(tmp_path, layers.LSTM(2)).read_bytes()
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as parts:
        parts.writestr("readme", "no model")
    (tmp_path / "cut.keras").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.keras").touch()
    (tmp_path / "model.zip").write_bytes(whole)
    for name in ("other.keras", "cut.keras", "empty.keras", "model.zip"):
        line = refused("explain", tmp_path / name)
        assert f"{name} is not a model in Keras's format" in line


def test_a_damaged_model_is_refused(refused, tmp_path):
    file = saved(tmp_path, layers.LSTM(2))
    with zipfile.ZipFile(file) as parts:
        content = {name: parts.read(name) for name in parts.namelist()}
    content["model.weights.h5"] = b"nonsense"
    with zipfile.ZipFile(file, "w") as parts:
        for name, data in content.items():
            parts.writestr(name, data)
    assert "model.keras cannot be loaded: " in refused("explain", file)


def test_details_show_the_plan(refrain, tmp_path):
    file = saved(tmp_path, layers.GRU(3, name="gru"))
    ended = refrain("explain", file, "--details")
    assert ended.code == 0, ended.err
    assert "program gru forward" in ended.out
    assert "GFLOP/s" in ended.out
