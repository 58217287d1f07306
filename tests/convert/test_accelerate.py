"""accelerate: the same model with our layers; training goes on as if nothing happened.

`test_torch_backend.py` runs this file once more on the torch backend.
"""

import keras
import numpy as np
import pytest
from keras import layers, ops, tree

import refrain
from refrain.convert.copies import layers_of
from refrain.errors import ConversionError
from tests.convert import architectures
from tests.convert.architectures import FEATURES, STEPS, real, sequence
from tests.layers.contract import array

# Keras's own way from a variable to NumPy, which saving goes.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")

EACH = pytest.mark.parametrize("make", architectures.ALL, ids=lambda f: f.__name__)


def outputs(model, x):
    found = model.predict(x, batch_size=architectures.BATCH, verbose=0)
    return [np.asarray(y) for y in tree.flatten(found)]


def losses(model, x, targets, epochs=2):
    """The loss of each epoch, of one batch each."""
    found = model.fit(x, targets, architectures.BATCH, epochs, 0, shuffle=False)
    return found.history["loss"]


def targets_of(model, x):
    found = model.predict(x, batch_size=architectures.BATCH, verbose=0)
    return tree.map_structure(lambda y: real(*y.shape, seed=5), found)


def shuffle_weights(model):
    """Numbers that tell every gate from every other."""
    for k, weight in enumerate(model.weights):
        if weight.name in ("kernel", "recurrent_kernel", "bias"):
            weight.assign(real(*weight.shape, seed=k) * 0.5)


def ours_of(model):
    return [x for x in layers_of(model) if type(x).__module__.startswith("refrain")]


def names_of(model):
    return [layer.name for layer in layers_of(model)]


@EACH
def test_training_goes_on_along_the_same_losses(make):
    if make is architectures.stateful:
        pytest.skip("Keras's own layers lose kept states on JAX, and fail on torch")
    keras.utils.set_random_seed(3)
    model, x = make()
    shuffle_weights(model)
    model.compile(keras.optimizers.Adam(0.03), "mse")
    targets = targets_of(model, x)
    losses(model, x, targets)
    before = [array(w.value).copy() for w in model.weights]

    fast = refrain.accelerate(model)

    assert type(fast) is type(model)
    assert ours_of(fast)
    assert not ours_of(model)
    assert names_of(fast) == names_of(model)
    assert [w.shape for w in fast.weights] == [w.shape for w in model.weights]
    assert [w.trainable for w in fast.weights] == [w.trainable for w in model.weights]
    went_on = losses(fast, x, targets)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(array(weight.value), value)
    np.testing.assert_allclose(losses(model, x, targets), went_on, atol=1e-5)
    for theirs, ours in zip(outputs(model, x), outputs(fast, x), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@EACH
def test_there_and_back_is_the_same_model(make):
    model, _ = make()
    back = refrain.to_keras(refrain.accelerate(model))
    assert [type(a) for a in layers_of(back)] == [type(a) for a in layers_of(model)]
    assert names_of(back) == names_of(model)
    for theirs, ours in zip(model.weights, back.weights, strict=True):
        np.testing.assert_array_equal(array(ours.value), array(theirs.value))


def test_weights_files_serve_both(tmp_path):
    model, x = architectures.branches()
    fast = refrain.accelerate(model)
    shuffle_weights(model)
    model.save_weights(tmp_path / "theirs.weights.h5")
    fast.load_weights(tmp_path / "theirs.weights.h5")
    for theirs, ours in zip(outputs(model, x), outputs(fast, x), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_compile_settings_are_kept():
    model, _ = architectures.branches()
    optimizer = keras.optimizers.AdamW(0.02, weight_decay=0.1, clipnorm=1.5)
    optimizer.exclude_from_weight_decay(model.weights[:1], ["bias"])
    own = lambda y, p: ops.mean(ops.abs(y - p))  # noqa: E731
    metric = keras.metrics.MeanAbsoluteError(name="error")
    model.compile(
        optimizer,
        loss={"first": own, "second": "mse"},
        loss_weights={"first": 0.3, "second": 0.7},
        metrics={"second": [metric, "mse"]},
        steps_per_execution=2 if keras.backend.backend() != "torch" else 1,
    )
    targets = {"first": real(6, 1), "second": real(6, 2)}
    losses(model, sequence(), targets)
    fast = refrain.accelerate(model)
    assert fast.optimizer.get_config() == model.optimizer.get_config()
    assert fast.optimizer is not model.optimizer
    assert fast.steps_per_execution == model.steps_per_execution
    theirs = model.evaluate(sequence(), targets, verbose=0, return_dict=True)
    ours = fast.evaluate(sequence(), targets, verbose=0, return_dict=True)
    assert ours.keys() == theirs.keys()
    assert list(ours.values()) == pytest.approx(list(theirs.values()), abs=1e-5)
    expected = losses(model, sequence(), targets, epochs=4)
    assert losses(fast, sequence(), targets, epochs=4) == pytest.approx(
        expected, abs=1e-5
    )


def test_kept_states_of_stateful_layers_are_copied():
    model, x = architectures.stateful()
    model(x)
    fast = refrain.accelerate(model)
    np.testing.assert_allclose(array(fast(x)), array(model(x)), atol=1e-5)
    fast.layers[0].reset_state()
    assert np.abs(array(fast(x)) - array(model(x))).max() > 1e-3


def test_a_model_that_is_not_built_stays_so():
    model = keras.Sequential([layers.LSTM(4), layers.Dense(1)])
    fast = refrain.accelerate(model)
    assert not fast.built
    assert fast(sequence()).shape == (6, 1)
    assert refrain.convert.report(fast).entries[0].ours


def test_a_class_that_hides_its_arguments_is_refused():
    class Net(keras.Model):
        def __init__(self, rate=0.1):
            super().__init__()
            self.lstm = layers.LSTM(3)
            self.rate = rate

    # Keras's own configuration of it would say 0.1.
    with pytest.raises(ConversionError, match="Net, which takes rate and does not"):
        refrain.accelerate(Net(rate=0.5))


class Listed(keras.Sequential):
    """A class whose constructor is Keras's, which calls and compiles in its own way."""

    def call(self, x, training=None, mask=None):
        return 2.0 * super().call(x, training=training, mask=mask)

    def compile(self, *args, **kwargs):
        super().compile(*args, **kwargs)
        self.own = 7


class Critic(keras.Sequential):
    """A class that compiles with other arguments."""

    def compile(self, critic, *, rate):
        super().compile(keras.optimizers.Adam(rate), "mse")
        self.critic = critic


def test_classes_may_call_and_compile_in_their_own_way():
    model = Listed([keras.Input((STEPS, FEATURES)), layers.GRU(3), layers.Dense(1)])
    model.compile("adam", "mse")
    fast = refrain.accelerate(model)
    assert type(fast) is Listed
    assert fast.own == 7
    found, expected = (outputs(m, sequence())[0] for m in (fast, model))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_other_arguments_of_compile_are_refused():
    model = Critic([keras.Input((STEPS, FEATURES)), layers.GRU(3)])
    assert type(refrain.accelerate(model)) is Critic
    model.compile("c", rate=0.1)
    with pytest.raises(ConversionError, match=r"received Critic: .*\n  Hint: accel"):
        refrain.accelerate(model)


def test_a_class_that_makes_other_layers_again_is_refused():
    class Growing(keras.layers.Layer):
        made = 2

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.cells = [layers.Dense(2) for _ in range(Growing.made)]
            Growing.made += 1

        def build(self, shape):
            for cell in self.cells:
                cell.build(shape)

        def call(self, x):
            return self.cells[0](x)

    entry = keras.Input((STEPS, FEATURES))
    with pytest.raises(ConversionError, match="expected a copy with"):
        refrain.accelerate(keras.Model(entry, Growing()(entry)))


def test_what_is_no_model_is_refused():
    with pytest.raises(ConversionError, match="expected a Keras model or layer, rec"):
        refrain.accelerate("model.keras")
