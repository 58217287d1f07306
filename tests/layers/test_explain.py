"""A layer says which path runs it, and why."""

import re

import keras
import pytest
from keras import ops

from refrain import cells, layers
from tests.layers.samples import mgu


def test_kernels_are_named_with_the_equations():
    found = layers.RNN([mgu(3), layers.LSTMCell(2)], name="two").explain()
    assert found.startswith("two: native kernels from the equations of mgu, lstm")


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (lambda: layers.LSTM(3, dtype="mixed_bfloat16"), "not in bfloat16"),
        (lambda: layers.LSTM(3, dtype="float16"), "not in float16"),
    ],
)
def test_a_dtype_without_kernels_is_the_reason_for_the_scan(layer, reason):
    found = layer().explain()
    assert "the equations of lstm through keras.ops in a scan on" in found
    assert found.endswith(reason)


def test_a_linear_cell_has_an_associative_scan():
    found = layers.RNN([cells.lru(3), cells.gru(2)], dtype="float16").explain()
    assert "the equations of lru, gru through keras.ops in an associative scan" in found
    assert " and a scan on " in found


def test_the_users_wish_is_a_reason(monkeypatch):
    monkeypatch.setenv("REFRAIN_KERNELS", "off")
    assert layers.GRU(3).explain().endswith("because REFRAIN_KERNELS=off")


def test_a_step_without_equations_is_keras_own():
    layer = layers.GRU(3, activation=lambda v: ops.arctan(v), name="bent")
    layer.build((None, None, 2))
    backend = keras.backend.backend()
    assert layer.explain() == (
        f"bent: Keras's own loop on {backend}, because the activation <lambda> is not "
        "one that equations know; the operation Arctan is not one that equations know"
    )


def test_each_direction_says_its_own():
    back = layers.SimpleRNN(3, go_backwards=True, activation=lambda v: ops.arctan(v))
    layer = layers.Bidirectional(layers.LSTM(3), backward_layer=back)
    layer.build((None, None, 2))
    forward, backward = layer.explain().splitlines()
    assert "native kernels from the equations of lstm" in forward
    assert "Keras's own loop" in backward


def test_keras_own_layers_are_told_apart():
    layer = layers.Bidirectional(keras.layers.ConvLSTM1D(2, 3, name="conv"))
    assert layer.explain().splitlines()[0] == (
        f"forward_conv: Keras's own layer on {keras.backend.backend()}, not one of "
        "refrain's"
    )


def test_details_tell_the_plan_and_the_measured_speed_of_every_cell():
    layer = layers.RNN([mgu(3), layers.LSTMCell(2)], name="two")
    assert layer.explain(details=True) == layer.explain(), "not built yet"
    layer.build((None, None, 4))
    first, *rest = layer.explain(details=True).splitlines()
    assert first == layer.explain()
    told = "\n".join(rest)
    assert "program mgu forward" in told
    assert "program lstm backward" in told
    assert "in  x: sequence 4" in told
    assert "in  x: sequence 3" in told, "the second cell reads what the first puts out"
    speeds = re.findall(r"GFLOP/s .*: forward ([0-9.]+), backward", told)
    assert len(speeds) == 2
    assert re.search(r"(compiled|loaded from the disk cache) in [0-9.]+ s", told)
