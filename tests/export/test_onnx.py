"""`refrain.export.onnx`: a file that is right, or none and the reason."""

import keras
import numpy as np
import onnxruntime
import pytest

import refrain
from refrain.errors import ExportError
from refrain.export import onnx_file
from refrain.export.network import write_network
from refrain.network.live import network_of

L = keras.layers


def small(*between, shape=(None, 3)):
    return keras.Sequential([L.Input(shape), *between, L.Dense(2)])


def test_file_runs_and_nothing_else_is_left(tmp_path, rng):
    model = small(L.LSTM(4))
    file = refrain.export.onnx(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == [file]
    session = onnxruntime.InferenceSession(file)
    (entry,) = session.get_inputs()
    x = rng.normal(size=(3, 30, 3)).astype("float32")
    (found,) = session.run(None, {entry.name: x})
    np.testing.assert_allclose(found, model.predict(x, verbose=0), atol=1e-6)
    assert [len(o.shape) for o in session.get_outputs()] == [2]


def test_a_difference_is_told():
    model = small(L.GRU(4))
    network = network_of(model)
    exported = write_network(network, streaming=False, lengths=False)

    def another(feed):
        return [v + 0.01 for v in onnx_file._predicted(model, feed)]

    with pytest.raises(ExportError, match=r"ONNX Runtime is off by 1.*e-02 from the"):
        onnx_file.check(network, exported, another, lengths=False)


class Own(L.Layer):
    def call(self, x):
        return 2.0 * x


class OwnCell(L.SimpleRNNCell):
    pass


def shared():
    x, layer = L.Input((None, 3)), L.LSTM(3, return_sequences=True, name="twice")
    return keras.Model(x, layer(layer(x)))


def formula():
    x = L.Input((None, 3))
    return keras.Model(x, L.LSTM(3)(2.0 * x))


def foreign_mask():
    x, mask = L.Input((None, 3)), L.Input((None,), dtype="bool", name="given")
    return keras.Model([x, mask], L.LSTM(3, name="read")(x, mask=mask))


REFUSED = {
    "formula": (formula, "the operation multiply.* stands outside of any layer"),
    "foreign mask": (foreign_mask, r"read \(LSTM\) .*: its mask is the output of"),
    "unbuilt": (
        lambda: keras.Sequential([L.LSTM(2)]),
        "expected a Keras model made of layers .* received Sequential",
    ),
    "no model": (lambda: L.LSTM(2), "received LSTM"),
    "own layer": (lambda: small(Own(name="own")), r"own \(Own\) .* not one of Keras"),
    "own cell": (
        lambda: small(L.RNN(OwnCell(2), name="r")),
        r"the layer r \(RNN\) cannot be exported: the equations of OwnCell are not",
    ),
    "shared": (shared, r"twice \(LSTM\) cannot be exported: it is used 2 times"),
    "stateful": (
        lambda: keras.Sequential(
            [L.Input((4, 3), batch_size=2), L.GRU(2, stateful=True)]
        ),
        "it is stateful; make the model with stateful=False",
    ),
    "activation": (
        lambda: small(L.LSTM(3, activation=keras.ops.sin)),
        "unknown activation",
    ),
    "pooling": (lambda: small(L.MaxPooling1D()), "no rule for this class"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_form_is_refused(name, tmp_path):
    make, message = REFUSED[name]
    with pytest.raises(ExportError, match=message):
        refrain.export.onnx(make(), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(ExportError, match=r"expected a file named \*.onnx"):
        refrain.export.onnx(small(L.LSTM(2)), tmp_path / "model.pb")
