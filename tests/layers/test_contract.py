"""What every recurrent layer must do: what Keras's own does, on every path.

`test_backends.py` runs this file once more on other backends.
"""

import functools

import keras
import numpy as np
import pytest

from refrain import layers
from tests.layers.contract import Case, Trial, assert_same

KINDS = {
    "rnn": lambda of, units=7, **more: of.SimpleRNN(units, **more),
    "lstm": lambda of, units=7, **more: of.LSTM(units, **more),
    "gru": lambda of, units=7, **more: of.GRU(units, **more),
    "gru-before": lambda of, units=7, **more: of.GRU(units, reset_after=False, **more),
}


def layer(kind, *, call=(), **arguments):
    return Case(functools.partial(KINDS[kind], **arguments), **dict(call))


def both_ways(merge_mode, call=(), kind="lstm", **arguments):
    def make(of):
        inner = KINDS[kind](of, **arguments)
        return of.Bidirectional(inner, merge_mode=merge_mode)

    return Case(make, **dict(call))


ONE = {"batch": 1, "timesteps": 1, "features": 1}
LARGE = {"batch": 9, "timesteps": 3, "features": 19}
ALL_OUT = {"return_sequences": True, "return_state": True}
AGAINST_TIME = {"go_backwards": True, "return_state": True}
DROPPED = {"dropout": 0.4, "recurrent_dropout": 0.3, "seed": 5}
ZERO = {"zero_output_for_mask": True}
STATES = {"initial_state": True, "mask": "ragged"}
ROWS, HOLES, TRAINING = {"mask": "rows"}, {"mask": "holes"}, {"training": True}

# Where two cases want the same kernel, it is compiled once.
CASES = {
    "rnn of one": layer("rnn", units=1, call=ONE),
    "rnn against time": layer("rnn", **AGAINST_TIME, call=ROWS),
    "rnn dropped": layer("rnn", **DROPPED, call=TRAINING | HOLES),
    "lstm of one": layer("lstm", units=1, call=ONE),
    "lstm large": layer("lstm", units=33, return_sequences=True, call=LARGE),
    "lstm states": layer("lstm", **ALL_OUT, call=STATES),
    "lstm long": layer("lstm", **ALL_OUT, call=STATES | {"timesteps": 300}),
    "lstm against time": layer("lstm", **AGAINST_TIME, use_bias=False, call=ROWS),
    "lstm zero output": layer("lstm", **ZERO, **ALL_OUT, call=STATES | HOLES),
    "lstm dropped": layer("lstm", **DROPPED, **ALL_OUT, call=TRAINING | HOLES),
    "lstm at rest": layer("lstm", **DROPPED, activation="relu"),
    "gru states": layer("gru", **ALL_OUT, call=STATES),
    "gru unrolled": layer("gru", **ALL_OUT, unroll=True, call=STATES),
    "gru against time": layer(
        "gru", units=16, return_sequences=True, go_backwards=True, use_bias=False
    ),
    "gru dropped": layer("gru", **DROPPED, call=TRAINING),
    "gru activations": layer("gru", activation="softmax", return_sequences=True),
    "gru-before states": layer("gru-before", **ALL_OUT, call=STATES),
    "gru-before dropped": layer("gru-before", **DROPPED, call=TRAINING | ROWS),
    "concat": both_ways("concat", STATES, **ALL_OUT),
    "sum": both_ways("sum", HOLES, kind="gru", return_sequences=True),
    "mul": both_ways("mul", STATES, kind="rnn", use_bias=False),
    "ave": both_ways("ave", TRAINING, kind="gru", **DROPPED),
    "two outputs": both_ways(None, ROWS, kind="rnn", **ALL_OUT),
    "stacked": Case(
        lambda of: of.RNN(
            [of.LSTMCell(6), of.GRUCell(5)], go_backwards=True, **ZERO, **ALL_OUT
        ),
        initial_state=True,
        **ROWS,
    ),
}


@functools.cache
def expected(name):
    return Trial(keras.layers, CASES[name]).gradients()


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("name", CASES)
def test_layer_equals_keras(name):
    assert_same(Trial(layers, CASES[name]).gradients(), expected(name))


@pytest.mark.parametrize(
    "name", ["rnn of one", "lstm large", "lstm states", "gru activations", "stacked"]
)
def test_nothing_changes_where_nobody_asks_for_gradients(name):
    found = Trial(layers, CASES[name]).outputs()
    assert_same(found, {output: expected(name)[output] for output in found})


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_near_to_float32(policy, training):
    def stack(of, policy):
        more = {"dtype": policy, **(DROPPED if training else {})}
        cells = [of.LSTMCell(6, **more), of.GRUCell(5, **more)]
        return of.RNN(cells, return_sequences=True, dtype=policy)

    call = {"mask": "ragged", "training": training}
    exact = Trial(layers, Case(lambda of: stack(of, "float32"), **call))
    found = Trial(layers, Case(lambda of: stack(of, policy), **call)).outputs()
    expected = exact.outputs()
    assert str(found["output 0"].dtype) == policy.removeprefix("mixed_")
    coarse = found["output 0"].astype("float32")
    np.testing.assert_allclose(coarse, expected["output 0"], atol=0.02)
