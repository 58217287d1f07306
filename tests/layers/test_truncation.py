"""Truncated back-propagation through time: what a hand-written loop computes.

`test_backends.py` runs this file once more on other backends.
"""

import keras
import numpy as np
import pytest

import refrain
from refrain import layers
from refrain.errors import DataError
from tests.layers.contract import Case, Trial, array

BACKEND = keras.backend.backend()
# On TensorFlow all chunks have one length.
TIMESTEPS = 9 if BACKEND == "tensorflow" else 7
SAMPLES, FEATURES, STEPS, GROUP = 4, 3, 3, 2
RATE = 0.1


@pytest.fixture
def data(rng):
    x = rng.normal(size=(SAMPLES, TIMESTEPS, FEATURES)).astype("float32")
    return x, rng.normal(size=(SAMPLES, TIMESTEPS, 5)).astype("float32")


def model_of(kind=layers.LSTM, **arguments):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(GROUP, None, FEATURES)),
            kind(5, return_sequences=True, stateful=True, **arguments),
        ]
    )
    model.compile(keras.optimizers.SGD(RATE), "mse")
    return model


def weights(layer):
    return [array(w.value) for w in layer.weights]


def by_hand(x, y):
    """The same steps from gradients of the layer alone, states given and returned."""
    keras.utils.set_random_seed(3)
    layer = layers.LSTM(5, return_sequences=True, return_state=True)
    layer.build((GROUP, None, FEATURES))
    model = model_of()
    layer.set_weights(weights(model))
    for group in range(0, SAMPLES, GROUP):
        states = [np.zeros((GROUP, 5), "float32")] * 2
        for begin in range(0, TIMESTEPS, STEPS):
            part = slice(group, group + GROUP), slice(begin, begin + STEPS)
            states = _step(layer, x[part], y[part], states)
    return weights(layer)


def _step(layer, x, y, states):
    variables = [v.value for v in layer.trainable_variables]
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            found, *last = layer(x, initial_state=states)
            loss = tf.reduce_mean((found - y) ** 2)
        slopes = tape.gradient(loss, variables)
    elif BACKEND == "torch":
        import torch

        found, *last = layer(torch.tensor(x), initial_state=states)
        loss = ((found - torch.tensor(y)) ** 2).mean()
        slopes = torch.autograd.grad(loss, variables)
    else:
        import jax

        frozen = [v.value for v in layer.non_trainable_variables]

        def loss_of(variables):
            (found, *last), _ = layer.stateless_call(
                variables, frozen, x, initial_state=states
            )
            return ((found - y) ** 2).mean(), last

        slopes, last = jax.grad(loss_of, has_aux=True)(variables)
    for variable, slope in zip(layer.trainable_variables, slopes, strict=True):
        variable.assign(variable.value - RATE * slope)
    return [np.array(array(s)) for s in last]


def close(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-6)


def test_fit_equals_a_loop_by_hand(data):
    model = model_of()
    chunks = refrain.tbptt(*data, steps=STEPS, batch_size=GROUP)
    assert len(chunks) == 6
    before = weights(model)
    model.fit(chunks, callbacks=[chunks.resets], shuffle=False, verbose=0)
    found = weights(model)
    close(found, by_hand(*data))
    assert all(np.abs(a - b).max() > 1e-4 for a, b in zip(found, before, strict=True))


def test_evaluation_in_chunks_is_evaluation_of_whole_sequences(data):
    model = model_of()
    chunks = refrain.tbptt(*data, steps=STEPS, batch_size=GROUP)
    found = model.evaluate(chunks, callbacks=[chunks.resets], verbose=0)
    layer = layers.LSTM(5, return_sequences=True)
    layer.build(data[0].shape)
    layer.set_weights(weights(model))
    errors = (array(layer(data[0])) - data[1]) ** 2
    parts = [errors[:, k : k + STEPS].mean() for k in range(0, TIMESTEPS, STEPS)]
    assert found == pytest.approx(np.mean(parts), rel=1e-5)


def test_validation_has_a_callback_of_its_own(data):
    model, alone = model_of(), model_of()
    chunks = refrain.tbptt(*data, steps=STEPS, batch_size=GROUP)
    others = refrain.tbptt(*data, steps=1, batch_size=GROUP)
    model.fit(
        chunks,
        validation_data=others,
        callbacks=[chunks.resets, others.resets],
        shuffle=False,
        epochs=2,
        verbose=0,
    )
    chunks = refrain.tbptt(*data, steps=STEPS, batch_size=GROUP)
    alone.fit(chunks, callbacks=[chunks.resets], shuffle=False, epochs=2, verbose=0)
    close(weights(model), weights(alone))


def test_states_start_at_trained_vectors():
    case = Case(lambda of: of.GRU(5, stateful=True, trainable_initial_state=True))
    layer = Trial(layers, case).layer
    layer.reset_state()
    np.testing.assert_array_equal(
        array(layer.states[0].value), np.tile(weights(layer)[-1], (case.batch, 1))
    )


@pytest.mark.parametrize("shuffle", [True, False])
def test_forgotten_arguments_are_told(data, shuffle):
    chunks = refrain.tbptt(*data, steps=1, batch_size=1)
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input(batch_shape=(1, None, FEATURES)), layers.GRU(5, stateful=True)]
    )
    model.compile("sgd", "mse")
    expected = "pass\n?.*shuffle=False" if shuffle else "callbacks=.chunks.resets."
    given = {"callbacks": [chunks.resets]} if shuffle else {}
    # TensorFlow reads chunks inside a program, and wraps what they raise.
    kind = Exception if BACKEND == "tensorflow" else DataError
    with pytest.raises(kind, match=expected):
        model.fit(chunks, shuffle=shuffle, epochs=2, verbose=0, **given)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"y": np.zeros((4, 6, 5))}, r"received \(4, \d, 3\) and \(4, 6, 5\)"),
        ({"steps": 0}, "expected steps to be an integer of at least 1, received 0"),
        ({"batch_size": 2.0}, "expected batch_size to be an integer"),
        ({"batch_size": 3}, "a multiple of batch_size=3, received 4"),
    ],
    ids=["targets", "steps", "size", "rest"],
)
def test_arrays_that_cannot_be_cut_are_refused(data, change, text):
    given = {"x": data[0], "y": data[1], "steps": 3, "batch_size": 2} | change
    with pytest.raises(DataError, match=text):
        refrain.tbptt(given.pop("x"), given.pop("y"), **given)
