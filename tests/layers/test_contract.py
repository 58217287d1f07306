"""What every recurrent layer must do: what Keras's own does, on every path.

`test_torch.py` runs this file once more on the torch backend.
"""

import functools

import keras
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


def cells_of(of):
    return [of.LSTMCell(6), of.SimpleRNNCell(4), of.GRUCell(5, reset_after=False)]


ONE = {"batch": 1, "timesteps": 1, "features": 1}
LARGE = {"batch": 9, "timesteps": 3, "features": 19}
ALL_OUT = {"return_sequences": True, "return_state": True}
AGAINST_TIME = {"go_backwards": True, "return_state": True}
DROPPED = {"dropout": 0.4, "recurrent_dropout": 0.3, "seed": 5}
STATES = {"initial_state": True, "mask": "ragged"}
ROWS, HOLES, TRAINING = {"mask": "rows"}, {"mask": "holes"}, {"training": True}

CASES = {
    "rnn": layer("rnn"),
    "rnn of one": layer("rnn", units=1, call=ONE),
    "rnn against time": layer("rnn", **AGAINST_TIME, call=ROWS),
    "rnn dropped": layer("rnn", **DROPPED, call=TRAINING | HOLES),
    "lstm of one": layer("lstm", units=1, call=ONE),
    "lstm large": layer("lstm", units=33, return_sequences=True, call=LARGE),
    "lstm states": layer("lstm", **ALL_OUT, call=STATES),
    "lstm against time": layer("lstm", **AGAINST_TIME, use_bias=False, call=ROWS),
    "lstm zero output": layer(
        "lstm", zero_output_for_mask=True, **ALL_OUT, call=STATES | HOLES
    ),
    "lstm dropped": layer("lstm", **DROPPED, **ALL_OUT, call=TRAINING | HOLES),
    "lstm dropped input": layer("lstm", dropout=0.5, seed=3, call=TRAINING),
    "lstm at rest": layer("lstm", **DROPPED),
    "lstm long": layer("lstm", return_sequences=True, call={"timesteps": 300}),
    "lstm activations": layer(
        "lstm", activation="relu", recurrent_activation="hard_sigmoid"
    ),
    "gru": layer("gru", units=16, call={"batch": 4}),
    "gru states": layer("gru", **ALL_OUT, call=STATES),
    "gru against time": layer(
        "gru", units=18, return_sequences=True, go_backwards=True, use_bias=False
    ),
    "gru dropped": layer("gru", **DROPPED, call=TRAINING),
    "gru long": layer("gru", call={"timesteps": 300, "mask": "ragged"}),
    "gru activations": layer("gru", activation="softmax", return_sequences=True),
    "gru unrolled": layer("gru", unroll=True, call=STATES),
    "gru-before states": layer("gru-before", **ALL_OUT, call=STATES),
    "gru-before dropped": layer("gru-before", **DROPPED, call=TRAINING | ROWS),
    "gru-before unrolled": layer("gru-before", unroll=True, use_bias=False),
    "concat": both_ways("concat", STATES, **ALL_OUT),
    "sum": both_ways("sum", HOLES, kind="gru", return_sequences=True),
    "mul": both_ways("mul", kind="rnn"),
    "ave": both_ways("ave", TRAINING, **DROPPED),
    "two outputs": both_ways(None, ROWS, kind="rnn", **ALL_OUT),
    "cell": Case(lambda of: of.RNN(of.LSTMCell(7), **ALL_OUT), **STATES),
    "stacked": Case(
        lambda of: of.RNN(of.StackedRNNCells(cells_of(of)), **ALL_OUT),
        initial_state=True,
    ),
    "stacked against time": Case(
        lambda of: of.RNN(cells_of(of), go_backwards=True, zero_output_for_mask=True),
        **ROWS,
    ),
}


@functools.cache
def expected(name):
    return Trial(keras.layers, CASES[name]).gradients()


@pytest.mark.parametrize("name", CASES)
def test_layer_equals_keras(name, path):
    trial = Trial(layers, CASES[name])
    found = trial.gradients()
    assert_same(found, expected(name))
    if path == "kernel":  # without gradients it is another kernel
        outputs = trial.outputs()
        assert_same(outputs, {n: found[n] for n in outputs})
