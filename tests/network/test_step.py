"""A network as one step computes at every step what Keras makes of the steps so far."""

import keras
import numpy as np
import pytest

from refrain.errors import ExportError
from refrain.export.c_code import interpreted
from refrain.graph.verify import verify
from refrain.keras import layers as ours
from refrain.network.compose import compose
from refrain.network.formulas import FORMULAS
from refrain.network.live import network_of
from refrain.network.memories import MEMORIES
from refrain.network.merges import MERGES

L = keras.layers
FEATURES = 5


def randomised(model, rng):
    """Distinct weights; those that are variances stay positive."""
    for variable in model.weights:
        sign = 1 if "variance" in variable.path else rng.choice((-1, 1), variable.shape)
        variable.assign(sign * rng.uniform(0.3, 0.9, variable.shape))
    return model


def check(model, rng, lengths=(1, 2, 7)):
    """Steps of the interpreter against Keras on the beginnings of a sequence."""
    task, variables = compose(network_of(randomised(model, rng)))
    verify(task.graph)
    x = rng.normal(size=(1, max(lengths), FEATURES)).astype("float32")
    found = interpreted(task, variables, x[0])
    for length in lengths:
        expected = model.predict(x[:, :length], verbose=0)[0]
        last = expected if expected.ndim == 1 else expected[-1]
        np.testing.assert_allclose(found[length - 1], last, rtol=2e-5, atol=2e-6)


LAYERS = {
    "Dense": L.Dense(4, "gelu"),
    "Activation": L.Activation("softplus"),
    "ReLU": L.ReLU(max_value=0.8, negative_slope=0.1, threshold=0.2),
    "LeakyReLU": L.LeakyReLU(0.3),
    "ELU": L.ELU(0.7),
    "Softmax": L.Softmax(),
    "LayerNormalization": L.LayerNormalization(epsilon=0.1),
    "RMSNormalization": L.RMSNormalization(epsilon=0.1),
    "BatchNormalization": L.BatchNormalization(epsilon=0.1),
    "Normalization": L.Normalization(
        mean=[0.1, 0.2, 0.3, 0.4, 0.5], variance=[2.0, 1.0, 3.0, 4.0, 5.0]
    ),
    "Rescaling": L.Rescaling(0.1, offset=2.0),
    "GlobalAveragePooling1D": L.GlobalAveragePooling1D(),
    "GlobalMaxPooling1D": L.GlobalMaxPooling1D(),
    "Conv1D": L.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="tanh"),
    "Dropout": L.Dropout(0.5),
}
SAME = {
    *("SpatialDropout1D", "GaussianNoise", "GaussianDropout", "AlphaDropout"),
    *("ActivityRegularization", "Identity"),
}


def test_every_rule_has_its_case():
    assert set(LAYERS) | SAME == set(FORMULAS) | set(MEMORIES)
    assert {type(layer).__name__ for layer in MERGED} == set(MERGES)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_a_step(name, rng):
    check(keras.Sequential([L.Input((None, FEATURES)), LAYERS[name]]), rng)


MERGED = (
    *(L.Add(), L.Subtract(), L.Multiply(), L.Maximum(), L.Minimum()),
    *(L.Average(), L.Concatenate()),
)


@pytest.mark.parametrize("layer", MERGED, ids=lambda layer: layer.name)
def test_branches_meet_in_a_step(layer, rng):
    x = L.Input((None, FEATURES))
    both = [L.Dense(3)(x), ours.GRU(3, return_sequences=True)(x)]
    check(keras.Model(x, layer(both)), rng)


def everything():
    x = L.Input((None, FEATURES))
    seen = L.Conv1D(6, 3, padding="causal", activation="relu")(x)
    heard = ours.LSTM(7, return_sequences=True)(L.LayerNormalization()(seen))
    both = L.Concatenate()([seen, heard, x])
    told = ours.GRU(6, return_sequences=True)(L.TimeDistributed(L.Dense(7))(both))
    whole = [
        layer()(told) for layer in (L.GlobalMaxPooling1D, L.GlobalAveragePooling1D)
    ]
    end = L.Concatenate()([*whole, ours.RNN([ours.LSTMCell(4), ours.GRUCell(6)])(told)])
    return keras.Model(x, L.Dense(3, activation="softmax")(L.BatchNormalization()(end)))


def test_a_network_of_everything_is_a_step(rng):
    check(everything(), rng, (1, 4, 11))


def two_inputs():
    x = L.Input((None, 3)), L.Input((None, 3))
    return keras.Model(x, L.Add()(x))


def begun():
    x = L.Input((None, FEATURES))
    *_, h, c = ours.LSTM(3, return_state=True)(x)
    return keras.Model(x, ours.LSTM(3, name="goes_on")(x, initial_state=[h, c]))


def of(layer):
    return lambda: keras.Sequential([L.Input((None, FEATURES)), layer])


REFUSED = {
    "inputs": (two_inputs, "expected one input, received 2"),
    "first states": (begun, "goes_on has no form as a step: its first states come"),
    "ahead": (of(L.Conv1D(2, 3, name="c")), "padding='valid' looks at steps to come"),
    "strides": (
        of(L.Conv1D(2, 3, strides=2, padding="causal")),
        "its strides leave steps out",
    ),
    "long": (
        of(L.Conv1D(2, 66, dilation_rate=2, padding="causal")),
        "looks back 130 steps; expected 128 at most",
    ),
    "kept": (of(L.GlobalMaxPooling1D(keepdims=True)), "keepdims=True"),
    "flat": (
        lambda: keras.Sequential([L.Input((4, FEATURES)), L.Flatten(name="f")]),
        r"the layer f \(Flatten\) .* no rule for this class as a step",
    ),
    "against time": (
        of(ours.Bidirectional(ours.GRU(2))),
        "has no form as a step: it reads the sequence from its end",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_step_is_refused(name):
    make, message = REFUSED[name]
    with pytest.raises(ExportError, match=message):
        compose(network_of(make()))
