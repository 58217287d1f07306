"""Skipped steps: one rule of ours where Keras's backends disagree with each other.

Before the first step that counts the output is zero, whatever the first state;
`zero_output_for_mask` counts in unrolled layers too; the output of a cell need not be
one of its states. `test_backends.py` runs this file once more on other backends.
"""

import numpy as np
import pytest
from keras import tree

from refrain import layers
from tests.layers.contract import (
    array,
    copy_weights,
    initial_states,
    random_weight,
    real,
)
from tests.layers.samples import two_faced

BATCH, STEPS, FEATURES, LATE = 3, 6, 4, 2
KINDS = {
    "lstm": layers.LSTM,
    "output is no state": lambda units, **more: layers.RNN(two_faced(units), **more),
}


@pytest.fixture(params=KINDS)
def make(request):
    """Makes layers of one kind, all with the same weights."""

    def made(**arguments):
        layer = KINDS[request.param](5, return_sequences=True, **arguments)
        layer.build((BATCH, STEPS, FEATURES))
        rng = np.random.default_rng(3)
        layer.set_weights([random_weight(rng, w.shape) for w in layer.weights])
        return layer

    return made


@pytest.fixture
def x(rng):
    return real(rng, BATCH, STEPS, FEATURES)


def late_mask():
    """The first steps of one sample do not count, and nothing of another."""
    mask = np.ones((BATCH, STEPS), bool)
    mask[1, :LATE] = False
    mask[2] = False
    return mask


def outputs(layer, *inputs, **call):
    return [array(found) for found in tree.flatten(layer(*inputs, **call))]


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


@pytest.mark.usefixtures("path")
def test_output_is_zero_before_the_first_step_that_counts(make, x, rng):
    layer = make(return_state=True)
    states = initial_states(layer, BATCH, rng)
    found, *last = outputs(layer, x, initial_state=states, mask=late_mask())
    assert not found[1, :LATE].any()
    assert not found[2].any()
    late = [s[1:2] for s in states]
    expected, *ends = outputs(layer, x[1:2, LATE:], initial_state=late)
    close(found[1, LATE:], expected[0])
    for state, end, first in zip(last, ends, states, strict=True):
        close(state[1], end[0])
        np.testing.assert_array_equal(state[2], first[2])


@pytest.mark.usefixtures("path")
def test_a_skipped_step_repeats_the_output_before_it(make, x):
    mask = np.ones((BATCH, STEPS), bool)
    mask[:, 3] = False
    (found,) = outputs(make(), x, mask=mask)
    np.testing.assert_array_equal(found[:, 3], found[:, 2])
    (expected,) = outputs(make(), np.delete(x, 3, axis=1))
    close(np.delete(found, 3, axis=1), expected)


@pytest.mark.usefixtures("path")
def test_skipped_outputs_are_zero_on_demand(make, x):
    mask = np.random.default_rng(5).random((BATCH, STEPS)) < 0.5
    (held,) = outputs(make(), x, mask=mask)
    (found,) = outputs(make(zero_output_for_mask=True), x, mask=mask)
    close(found, np.where(mask[..., None], held, 0.0))


@pytest.mark.parametrize(("zero", "back"), [(False, True), (True, False)])
def test_unrolling_changes_nothing(make, x, zero, back, monkeypatch):
    monkeypatch.setenv("REFRAIN_KERNELS", "off")  # kernels have no unrolled form
    options = {"zero_output_for_mask": zero, "go_backwards": back}
    (rolled,) = outputs(make(**options), x, mask=late_mask())
    (found,) = outputs(make(**options, unroll=True), x, mask=late_mask())
    close(found, rolled)


@pytest.mark.usefixtures("path")
def test_last_output_is_that_of_the_last_step_that_counts(make, x):
    mask = np.arange(STEPS) < np.array([[6], [3], [1]])
    layer = make()
    (found,) = outputs(layer, x, mask=mask)
    layer.return_sequences = False
    (last,) = outputs(layer, x, mask=mask)
    close(last, found[:, -1])
    close(last[1], found[1, 2])


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize(
    "given",
    [
        lambda mask: mask.astype("int32"),
        lambda mask: mask[..., None],
    ],
    ids=["integers", "one feature"],
)
def test_masks_of_other_kinds_mean_the_same(make, x, given):
    (expected,) = outputs(make(), x, mask=late_mask())
    (found,) = outputs(make(), x, mask=given(late_mask()))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("make", [layers.LSTM, layers.GRU])
def test_asking_for_cudnn_changes_nothing(make, x):
    """Where there is none, Keras refuses on JAX and goes on in silence on torch."""
    plain, asking = make(5), make(5, use_cudnn=True)
    for layer in (plain, asking):
        layer.build(x.shape)
    copy_weights(plain, asking)
    np.testing.assert_array_equal(outputs(asking, x), outputs(plain, x))
    assert "native kernels" in asking.explain()


@pytest.mark.usefixtures("path")
def test_both_directions_are_zero_outside_the_sample(x):
    layer = layers.Bidirectional(layers.GRU(5, return_sequences=True))
    layer.build(x.shape)
    lengths = np.array([4, 6, 1])
    (found,) = outputs(layer, x, mask=np.arange(STEPS) < lengths[:, None])
    for sample, length in enumerate(lengths):
        (expected,) = outputs(layer, x[sample : sample + 1, :length])
        close(found[sample, :length], expected[0])
        assert not found[sample, length:].any()
