"""States between calls: kept, given, returned and reset.

`test_backends.py` runs this file once more on other backends.
"""

import keras
import numpy as np
import pytest
from keras import tree

from refrain import layers
from tests.layers.contract import array, copy_weights, real
from tests.layers.samples import two_faced

BATCH, STEPS, FEATURES = 2, 8, 3
KINDS = {
    "lstm": lambda **more: layers.LSTM(4, **more),
    "stacked": lambda **more: layers.RNN(
        [layers.LSTMCell(3), two_faced(5), layers.GRUCell(2)], **more
    ),
}


@pytest.fixture(params=KINDS)
def make(request):
    return KINDS[request.param]


@pytest.fixture
def x(rng):
    return real(rng, BATCH, STEPS, FEATURES)


def same_weights(layer, other):
    layer.build((BATCH, STEPS, FEATURES))
    other.build((BATCH, STEPS, FEATURES))
    copy_weights(layer, other)


def close(found, expected):
    np.testing.assert_allclose(array(found), array(expected), rtol=0, atol=2e-6)


@pytest.mark.usefixtures("path")
def test_stateful_layer_goes_on_where_it_stopped(make, x):
    whole = make(return_sequences=True)
    kept = make(return_sequences=True, stateful=True)
    same_weights(whole, kept)
    expected = array(whole(x))
    close(kept(x[:, :3]), expected[:, :3])
    close(kept(x[:, 3:]), expected[:, 3:])


def test_reset_starts_anew(make, x):
    layer = make(stateful=True)
    first = array(layer(x))
    assert np.abs(array(layer(x)) - first).max() > 1e-3
    layer.reset_state()
    close(layer(x), first)


@pytest.mark.usefixtures("path")
def test_returned_states_continue_a_sequence(make, x):
    layer = make(return_sequences=True, return_state=True)
    expected, *ends = layer(x)
    first, *states = layer(x[:, :5])
    rest, *last = layer(x[:, 5:], initial_state=states)
    close(first, array(expected)[:, :5])
    close(rest, array(expected)[:, 5:])
    for state, end in zip(tree.flatten(last), tree.flatten(ends), strict=True):
        close(state, end)


def test_without_initial_state_it_is_zero(make, x):
    layer = make()
    layer.build(x.shape)
    zeros = layer.get_initial_state(BATCH)
    close(layer(x), layer(x, initial_state=zeros))


def test_both_directions_keep_their_states(x):
    inner = layers.LSTM(3, stateful=True)
    layer = layers.Bidirectional(inner)
    first = array(layer(x))
    assert np.abs(array(layer(x)) - first).max() > 1e-3
    layer.reset_state()
    close(layer(x), first)


@pytest.mark.parametrize("merge_mode", ["concat", None])
def test_both_directions_keep_their_states_and_return_them(x, merge_mode):
    """Keras's own Bidirectional fails at this."""
    inner = layers.GRU(3, stateful=True, return_state=True, return_sequences=True)
    layer = layers.Bidirectional(inner, merge_mode=merge_mode)
    mask = np.ones((BATCH, STEPS), bool)
    *_, forward, backward = layer(x, mask=mask)
    kept_forward, kept_backward = layer.states
    close(forward, kept_forward.value)
    close(backward, kept_backward.value)


@pytest.mark.usefixtures("path")
def test_a_stateful_layer_has_a_gradient(make, x):
    layer = make(stateful=True)
    layer.build(x.shape)
    model = keras.Sequential([keras.Input(batch_shape=x.shape), layer])
    model.compile("sgd", "mse")
    y = np.zeros((BATCH, layer.compute_output_shape(x.shape)[-1]))
    before = array(layer.trainable_variables[0].value).copy()
    model.fit(x, y, epochs=2, batch_size=BATCH, verbose=0)
    assert np.abs(array(layer.trainable_variables[0].value) - before).max() > 0.0


def test_stateful_layer_refuses_another_batch_size(x):
    layer = layers.LSTM(3, stateful=True)
    layer(x)
    with pytest.raises(ValueError, match="expected the batch size 2"):
        layer(x[:1])


@pytest.mark.usefixtures("path")
def test_encoder_hands_its_states_to_a_decoder(x):
    def answer(of):
        keras.utils.set_random_seed(4)
        encoder, decoder = of.GRU(4, return_state=True), of.GRU(4)
        _, state = encoder(x)
        return decoder(x[:, ::-1].copy(), initial_state=state)

    close(answer(layers), answer(keras.layers))


def test_compiled_steps_carry_states_on(x):
    """Keras's own layers lose them on JAX."""
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(BATCH, None, FEATURES)),
            layers.GRU(4, stateful=True, return_sequences=True),
        ]
    )
    whole = array(model(x))
    model.layers[0].reset_state()
    parts = [model.predict_on_batch(part) for part in (x[:, :3], x[:, 3:])]
    close(np.concatenate(parts, axis=1), whole)
    assert len(model.weights) == 3
