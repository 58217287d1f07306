"""Classes that users derive: layers stay as they are, models hold layers of ours."""

import keras
import numpy as np
import pytest
from keras import ops

# As their users import them, before anything else happens.
from keras.layers import GRU, LSTM, RNN, Bidirectional, Dense, LSTMCell, SimpleRNN

import refrain
from refrain import layers as ours
from refrain.errors import ConversionError
from tests.convert.architectures import FEATURES, STEPS, sequence
from tests.convert.test_accelerate import losses, ours_of, outputs, shuffle_weights

pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")


class Doubled(LSTM):
    """Another `call`."""

    def call(self, sequences, initial_state=None, mask=None, training=False):
        return 2.0 * super().call(sequences, initial_state, mask, training)


class Scaled(GRU):
    """Another `build`, and what is built."""

    def build(self, sequences_shape, initial_state_shape=None):
        super().build(sequences_shape, initial_state_shape)
        self.scale = self.add_weight(shape=(self.units,), initializer="ones")

    def call(self, sequences, initial_state=None, mask=None, training=False):
        return self.scale * super().call(sequences, initial_state, mask, training)


@keras.saving.register_keras_serializable("tests")  # for Bidirectional to copy it
class Summed(LSTM):
    """Another loop over time."""

    def inner_loop(self, sequences, *args, **more):
        return super().inner_loop(ops.cumsum(sequences, axis=1), *args, **more)


class Started(SimpleRNN):
    """Other first states."""

    def get_initial_state(self, batch_size):
        return [state + 0.5 for state in super().get_initial_state(batch_size)]


class Halved(LSTMCell):
    """A cell with another step."""

    def call(self, inputs, states, training=False):
        output, states = super().call(inputs, states, training=training)
        return 0.5 * output, states


# A class may have the name of Keras's.
Same = type("LSTM", (Doubled,), {"__module__": __name__})


def derived():
    entry = keras.Input((STEPS, FEATURES))
    made = [
        Doubled(3, name="doubled")(entry),
        Scaled(4, name="scaled")(entry),
        Started(3, name="started")(entry),
        Bidirectional(Summed(2, name="summed"), name="both")(entry),
        RNN(Halved(3), name="halved")(entry),
        Same(2, name="same")(entry),
        LSTM(3, name="plain")(entry),
    ]
    model = keras.Model(entry, Dense(1)(keras.layers.Concatenate()(made)))
    shuffle_weights(model)
    model.compile(keras.optimizers.Adam(0.03), "mse")
    return model


def test_derived_layers_stay_as_they_are_and_are_named():
    model, x = derived(), sequence()
    fast = refrain.accelerate(model)
    kinds = {layer.name: type(layer) for layer in fast.layers}
    assert kinds["doubled"] is Doubled
    assert kinds["scaled"] is Scaled
    assert kinds["started"] is Started
    assert kinds["same"] is Same
    assert kinds["plain"] is ours.LSTM
    assert kinds["both"] is ours.Bidirectional
    assert type(fast.get_layer("both").forward_layer) is Summed
    assert kinds["halved"] is ours.RNN
    assert type(fast.get_layer("halved").cell) is Halved
    told = {entry.path: entry for entry in refrain.convert.report(fast).entries}
    own = ["doubled", "scaled", "started", "same"]
    own += ["both/forward_summed", "both/backward_summed"]
    assert {p for p, e in told.items() if "is a class of its own" in e.text} == {*own}
    assert {p for p, e in told.items() if e.ours} == {"plain", "halved"}
    assert "kernels from the equations of Halved" in told["halved"].text
    np.testing.assert_allclose(outputs(fast, x)[0], outputs(model, x)[0], atol=1e-5)
    targets = sequence()[:, 0, :1]
    expected = losses(model, x, targets, epochs=4)
    assert losses(fast, x, targets, epochs=4) == pytest.approx(expected, abs=1e-5)
    back = refrain.to_keras(refrain.accelerate(model))
    assert [type(x) for x in back.layers] == [type(x) for x in model.layers]


class Net(keras.Model):
    """Layers as attributes, in a list and by name."""

    def __init__(self):
        super().__init__()
        self.stack = [LSTM(4, return_sequences=True), GRU(3, return_sequences=True)]
        self.heads = {"both": Bidirectional(LSTM(2)), "one": SimpleRNN(3)}
        self.last = Dense(1)

    def call(self, x, training=None):
        for layer in self.stack:
            x = layer(x, training=training)
        found = [head(x, training=training) for head in self.heads.values()]
        return self.last(ops.concatenate(found, axis=-1))


def test_layers_that_a_model_holds_as_attributes_become_ours():
    model, x = Net(), sequence()
    model.compile(keras.optimizers.Adam(0.03), "mse")
    targets = sequence()[:, 0, :1]
    losses(model, x, targets)
    shuffle_weights(model)
    fast = refrain.accelerate(model)
    assert type(fast) is Net
    assert [type(layer) for layer in fast.stack] == [ours.LSTM, ours.GRU]
    assert type(fast.heads["both"]) is ours.Bidirectional
    assert all(entry.ours for entry in refrain.convert.report(fast).entries)
    np.testing.assert_allclose(outputs(fast, x)[0], outputs(model, x)[0], atol=1e-5)
    expected = losses(model, x, targets, epochs=4)
    assert losses(fast, x, targets, epochs=4) == pytest.approx(expected, abs=1e-5)
    assert not ours_of(model)
    assert not ours_of(refrain.to_keras(fast))
    assert type(LSTM(3)) is LSTM


class Sized(Net):
    """Its constructor's arguments are nowhere kept."""

    def __init__(self, units):
        super().__init__()
        self.stack.append(GRU(units, return_sequences=True))


def test_a_model_that_cannot_be_copied_is_refused_and_the_hint_helps():
    model, x = Sized(5), sequence()
    expected = outputs(model, x)[0]
    with pytest.raises(ConversionError, match=r"takes units .*\n.*anew inside `with"):
        refrain.accelerate(model)
    with refrain.accelerate():
        fast = Sized(5)
    fast(x)
    fast.set_weights(model.get_weights())
    assert all(entry.ours for entry in refrain.convert.report(fast).entries)
    np.testing.assert_allclose(outputs(fast, x)[0], expected, atol=1e-5)


def test_classes_imported_before_make_layers_of_ours_until_restored():
    with refrain.accelerate():
        made = Bidirectional(LSTM(3))
        assert type(made) is ours.Bidirectional
        assert type(made.backward_layer) is ours.LSTM
        assert type(Doubled(3)) is Doubled
        assert type(keras.layers.ConvLSTM1D(2, 3)) is keras.layers.ConvLSTM1D
    for kind in (Bidirectional, LSTM, GRU, RNN):
        assert "__new__" not in vars(kind)
    assert type(Bidirectional(LSTM(3))) is Bidirectional
