"""States between calls: kept, given, returned and reset.

`test_torch.py` runs this file once more on the torch backend.
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


def test_stateful_layer_refuses_another_batch_size(x):
    layer = layers.LSTM(3, stateful=True)
    layer(x)
    with pytest.raises(ValueError, match="Expected batch size: 2"):
        layer(x[:1])


@pytest.mark.usefixtures("path")
def test_encoder_hands_its_states_to_a_decoder(x):
    def answer(of):
        keras.utils.set_random_seed(4)
        encoder, decoder = of.GRU(4, return_state=True), of.GRU(4)
        _, state = encoder(x)
        return decoder(x[:, ::-1].copy(), initial_state=state)

    close(answer(layers), answer(keras.layers))
