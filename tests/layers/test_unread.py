"""Cells whose equations are not known: one rule for masks and resets all the same.

`test_backends.py` runs this file once more on other backends.
"""

import keras
import numpy as np
import pytest
from keras import ops

from refrain import layers
from refrain.errors import LayerError
from tests.layers.contract import Case, Trial, array, assert_same, copy_weights, real
from tests.layers.own_cells import NestedStates, OneState, OwnCell, TwoStates

BATCH, STEPS, FEATURES, UNITS = 3, 6, 5, 4


def counting(kind):
    """The same cell, but for a trace that each step leaves in it."""

    class Counting(kind):
        steps = 0

        def call(self, inputs, states):
            self.steps += 1
            return super().call(inputs, states)

    return Counting


class Flat(OwnCell):
    """NestedStates with its states in one list."""

    def __init__(self, units, **kwargs):
        super().__init__(units, **kwargs)
        self.state_size = [units] * 3

    def new(self, gate, value, states):
        h, c, slow = states
        c = ops.sigmoid(gate) * c + ops.tanh(value)
        slow = 0.9 * slow + 0.1 * c
        return ops.tanh(c + slow), [ops.tanh(c), c + 0.1 * h, slow]


UNREAD = {
    "one state": (counting(OneState), OneState),
    "two states": (counting(TwoStates), TwoStates),
    "nested states": (NestedStates, Flat),
}
ALL_OUT = {"return_sequences": True, "return_state": True}
WAYS = {
    "no mask": ({}, ALL_OUT),
    "any mask": ({"mask": "any"}, ALL_OUT),
    "only the last": ({"mask": "any"}, {}),
    "zeros": ({"mask": "any"}, {"zero_output_for_mask": True, **ALL_OUT}),
    "against time": ({"mask": "any"}, {"go_backwards": True, **ALL_OUT}),
    "unrolled": ({"mask": "rows"}, {"unroll": True, "go_backwards": True, **ALL_OUT}),
    "stateful": ({"mask": "any"}, {"stateful": True, **ALL_OUT}),
}


def case_of(kind, call, arguments, started=True):
    """A layer of one cell, with first states unless it keeps its own."""
    return Case(
        lambda of: of.RNN(kind(UNITS), **arguments),
        initial_state=started and not arguments.get("stateful"),
        **{"batch": BATCH, "timesteps": STEPS, "features": FEATURES, **call},
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", UNREAD)
def test_the_loop_follows_the_rule_of_known_equations(name, way):
    unread, read = (Trial(layers, case_of(kind, *WAYS[way])) for kind in UNREAD[name])
    assert "Keras's own loop" in unread.layer.explain()
    assert "Keras's own loop" not in read.layer.explain()
    if way == "stateful":
        assert_same(unread.outputs(), read.outputs())
    found, expected = unread.gradients(), read.gradients()
    assert_same(dict(zip(expected, found.values(), strict=True)), expected)


@pytest.mark.parametrize("backwards", [False, True])
def test_resets_are_the_same(rng, backwards):
    x, resets = real(rng, BATCH, STEPS, FEATURES), rng.random((BATCH, STEPS)) < 0.4
    more = {**ALL_OUT, "go_backwards": backwards}
    unread, read = (layers.RNN(k(UNITS), **more) for k in UNREAD["two states"])
    for layer in (unread, read):
        layer.build(x.shape)
    copy_weights(read, unread)
    for mask in (None, rng.random((BATCH, STEPS)) < 0.6):
        found, expected = (
            layer(x, resets=resets, mask=mask) for layer in (unread, read)
        )
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(array(ours), array(theirs), atol=1e-5)


def test_what_a_skipped_step_holds_has_no_influence(rng):
    x, mask = real(rng, BATCH, STEPS, FEATURES), rng.random((BATCH, STEPS)) < 0.5
    layer = layers.RNN(NestedStates(UNITS), return_sequences=True)
    expected = array(layer(x, mask=mask))
    x[~mask] = np.nan
    np.testing.assert_array_equal(array(layer(x, mask=mask)), expected)


def test_wrong_states_and_masks_are_told():
    x, layer = np.zeros((2, 3, 4), "float32"), layers.RNN(NestedStates(2), name="own")
    text = (
        r"own: expected states of shape \(2, 2\), \(2, 2\), \(2, 2\), received \(2, 2\)"
    )
    with pytest.raises(LayerError, match=text):
        layer(x, initial_state=[np.zeros((2, 2), "float32")])
    with pytest.raises(LayerError, match=r"expected a mask of shape \(2, 3\), rec"):
        layer(x, mask=np.ones((2, 4), bool))


def test_images_step_by_step(rng):
    """A cell may read more than vectors."""

    class Pooled(OneState):
        def build(self, shape):
            super().build((shape[0], shape[-1]))

        def call(self, inputs, states):
            return super().call(ops.mean(inputs, axis=(1, 2)), states)

    x, mask = real(rng, 2, 4, 3, 3, FEATURES), np.array([[1, 1, 0, 1], [1, 0, 0, 0]])
    layer = layers.RNN(Pooled(UNITS), return_sequences=True)
    plain = layers.RNN(OneState(UNITS), return_sequences=True)
    found = array(layer(x, mask=mask.astype(bool)))
    plain.build((2, 4, FEATURES))
    copy_weights(layer, plain)
    expected = array(plain(x.mean(axis=(2, 3)), mask=mask.astype(bool)))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
