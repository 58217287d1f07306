"""Bidirectional with what Keras does not have: resets, lengths, all states.

`test_backends.py` runs this file once more on other backends.
"""

import keras
import numpy as np
import pytest

from refrain import layers
from refrain.errors import LayerError
from tests.layers.contract import array, close, flat, real

BATCH, STEPS, FEATURES = 3, 7, 4


@pytest.fixture
def x(rng):
    return real(rng, BATCH, STEPS, FEATURES)


@pytest.mark.usefixtures("path")
def test_both_directions_see_the_same_pieces(x):
    layer = layers.Bidirectional(layers.GRU(5, return_sequences=True))
    layer.build(x.shape)
    resets = np.zeros((BATCH, STEPS), bool)
    resets[:, [0, 3]] = True
    (found,) = flat(layer(x, resets=resets))
    pieces = [flat(layer(p))[0] for p in (x[:, :3], x[:, 3:])]
    close([found], [np.concatenate(pieces, axis=1)])


@pytest.mark.parametrize("more", [{}, {"return_state": True, "return_sequences": True}])
@pytest.mark.parametrize("merge_mode", ["concat", "sum", None])
def test_both_directions_return_all_states_in_the_order_of_time(
    merge_mode, more, x, rng
):
    inner = layers.LSTM(3, return_all_states=True, **more)
    both = layers.Bidirectional(inner, merge_mode=merge_mode)
    mask = rng.random((BATCH, STEPS)) < 0.6
    found = flat(both(x, mask=mask))
    forward, backward = (
        flat(layer(x, mask=mask)) for layer in (both.forward_layer, both.backward_layer)
    )
    expected = [*forward[-2:], *(np.flip(s, axis=1) for s in backward[-2:])]
    close(found[-4:], expected)
    if more:
        close(found[-8:-4], [*forward[1:3], *backward[1:3]])
    shapes = both.compute_output_shape(x.shape)
    assert [tuple(s) for s in shapes] == [s.shape for s in found]
    masks = both.compute_mask(x, mask)
    counted = [m is not None for m in masks]
    outputs = 2 if merge_mode is None else 1
    assert counted == [bool(more)] * outputs + [False] * (4 if more else 0) + [True] * 4
    model = keras.Sequential([keras.Input(x.shape[1:]), both])
    close(flat(model(x))[-4:], flat(both(x))[-4:])


def test_both_directions_return_the_same():
    one, other = (
        layers.LSTM(3, return_all_states=True),
        layers.LSTM(3, go_backwards=True),
    )
    with pytest.raises(
        LayerError, match="same return_all_states, received True forward"
    ):
        layers.Bidirectional(one, backward_layer=other)


def test_lengths_are_a_mask_behind_both_directions(x):
    both = layers.Bidirectional(layers.GRU(3, return_sequences=True))
    after, lengths = layers.LSTM(2), np.array([2, STEPS, 1])
    mask = np.arange(STEPS) < lengths[:, None]
    expected = flat(after(both(x, mask=mask), mask=mask))
    assert np.abs(expected[0] - array(after(both(x)))).max() > 1e-3
    close(flat(after(both(x, lengths=lengths))), expected)
