"""What a report says of each recurrent layer, and what to_keras refuses."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import refrain
from refrain import cells
from refrain.errors import ConversionError
from tests.convert import architectures
from tests.layers.samples import mgu

pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")


class Fading(keras.layers.Layer):
    """A cell as people write them for Keras, with what no equation knows."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def call(self, inputs, states):
        h = ops.sort(states[0]) * 0.5 + ops.mean(inputs, axis=-1, keepdims=True)
        return h, [h]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Own(layers.LSTM):
    """A class of the user's."""


def mixed():
    entry = keras.Input((4, 6, 6, 1))
    flat = layers.Reshape((4, 36))(entry)
    made = [
        layers.GlobalMaxPooling2D()(layers.ConvLSTM2D(2, 3, name="conv")(entry)),
        layers.Bidirectional(layers.LSTM(3, name="lstm"), name="both")(flat),
        layers.GRU(3, activation=lambda v: v * 0.5, name="bent")(flat),
        layers.RNN(Fading(3), name="faded")(flat),
        Own(3, name="own")(flat),
    ]
    return keras.Model(entry, layers.Concatenate()(made), name="mixed")


def test_a_report_says_what_runs_each_layer_and_why():
    model = mixed()
    both = "both/forward_lstm"
    before = {e.path: e for e in refrain.convert.report(model).entries}
    fast = refrain.accelerate(model)
    report = refrain.convert.report(fast)
    after = {e.path: e for e in report.entries}
    assert not any(e.ours for e in before.values())
    ran = {both, "both/backward_lstm", "bent"}
    assert {p for p, e in after.items() if e.ours} == ran
    assert "accelerate runs it from the equations of lstm" in before[both].text
    assert "native kernels from the equations of lstm" in after[both].text
    assert "ConvLSTMCell is not written as equations" in after["conv"].text
    assert "accelerate runs it from the equations of GRUCell" in before["bent"].text
    assert "native kernels from the equations of GRUCell" in after["bent"].text
    assert "Fading is not written as equations" in after["faded"].text
    assert "Own is a class of its own" in after["own"].text
    assert str(report).startswith(
        "mixed: refrain runs 3 of 6 recurrent layers\n  conv: "
    )


def test_what_keras_has_no_layer_for_is_refused():
    entry = keras.Input((5, 3))
    own = refrain.layers.RNN(mgu(3), name="own")
    bent = cells.lstm(2, activation=lambda v: 0.5 * v)
    stack = refrain.layers.RNN([bent, refrain.layers.GRUCell(2)])
    model = keras.Model(entry, [own(entry), stack(entry)])
    text = "the equations of mgu are no .*\n.*the equations of lstm are no Keras cell"
    with pytest.raises(ConversionError, match=text):
        refrain.to_keras(model)


def test_equations_that_keras_has_become_its_cells():
    entry = keras.Input((5, 3))
    lstm = refrain.layers.CellLayer(
        cells.lstm(4, activation="relu", use_bias=False), dropout=0.3, seed=3
    )
    stack = refrain.layers.RNN([lstm, cells.gru(3, reset_after=False)])
    both = refrain.layers.Bidirectional(
        refrain.layers.RNN(cells.simple_rnn(2), return_sequences=True)
    )
    model = keras.Model(entry, stack(both(entry)))
    model.compile(keras.optimizers.Adam(0.1), "mse")
    x, y = architectures.real(4, 5, 3), architectures.real(4, 3)
    once = {"epochs": 2, "shuffle": False, "verbose": 0}
    model.fit(x, y, **once)
    plain = refrain.to_keras(model)
    kinds = [type(cell) for cell in plain.layers[-1].cell.cells]
    assert kinds == [keras.layers.LSTMCell, keras.layers.GRUCell]
    one, other = (m.predict(x, verbose=0) for m in (model, plain))
    np.testing.assert_allclose(other, one, atol=1e-5)
    one, other = (m.fit(x, y, **once).history for m in (model, plain))
    np.testing.assert_allclose(other["loss"], one["loss"], rtol=1e-5)


def test_layers_of_ours_that_code_makes_are_refused():
    class Fixed(keras.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = refrain.layers.LSTM(2)

        def call(self, x):
            return self.inner(x)

    entry = keras.Input((5, 3))
    model = keras.Model(entry, Fixed()(entry))
    with pytest.raises(ConversionError, match="is made by code, which makes refrain's"):
        refrain.to_keras(model)


def test_a_file_without_refrain_loads_where_it_is_not_imported(tmp_path):
    import subprocess
    import sys

    model, _ = architectures.stacked_cells()
    refrain.to_keras(refrain.accelerate(model)).save(tmp_path / "plain.keras")
    code = (
        "import sys, keras; keras.models.load_model('plain.keras');"
        "assert 'refrain' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
