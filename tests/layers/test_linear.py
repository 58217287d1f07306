"""Cells that are linear in their states: the associative scan equals the kernel.

`test_backends.py` runs this file once more on other backends.
"""

import pytest

from refrain import cells, layers
from refrain.cells import cell
from refrain.functions import tanh
from tests.layers.contract import Case, Trial, assert_same


@cell(state=("h", "c"))
def cascade(x, h_prev, c_prev, W):
    """h is linear once c is known."""
    return tanh(c_prev) * h_prev + x @ W, 0.5 * c_prev + tanh(x @ W)


def rnn(sized, call=(), dropped=(), **arguments):
    def make(of):
        return of.RNN(of.CellLayer(sized, **dict(dropped)), **arguments)

    return Case(make, **dict(call))


ALL_OUT = {"return_sequences": True, "return_state": True}
DROPPED = {"dropout": 0.4, "recurrent_dropout": 0.3, "seed": 5}
CASES = {
    "states": rnn(
        cells.min_gru(4), {"initial_state": True, "mask": "holes"}, **ALL_OUT
    ),
    "two states": rnn(cells.lru(4), {"initial_state": True, "mask": "rows"}, **ALL_OUT),
    "levels": rnn(cells.qrnn(3), {"mask": "rows", "initial_state": True}, **ALL_OUT),
    "against time": rnn(cells.rg_lru(4), {"mask": "ragged"}, go_backwards=True),
    "zero output": rnn(
        cascade(4), {"mask": "holes"}, zero_output_for_mask=True, **ALL_OUT
    ),
    "dropped": rnn(
        cells.lru(3), {"training": True, "mask": "holes"}, DROPPED, **ALL_OUT
    ),
    "one step": rnn(cells.min_lstm(4), {"timesteps": 1, "batch": 1}, **ALL_OUT),
    "odd steps": rnn(cells.min_lstm(4), {"timesteps": 13}),
}


@pytest.mark.parametrize("name", CASES)
def test_associative_scan_equals_the_kernel(name, monkeypatch):
    monkeypatch.setenv("REFRAIN_KERNELS", "require")
    expected = Trial(layers, CASES[name]).gradients()
    monkeypatch.setenv("REFRAIN_KERNELS", "off")
    trial = Trial(layers, CASES[name])
    assert "an associative scan" in trial.layer.explain()
    assert_same(trial.gradients(), expected)


def test_an_unrolled_loop_is_no_associative_scan(monkeypatch):
    monkeypatch.setenv("REFRAIN_KERNELS", "off")
    unrolled = rnn(cells.min_gru(4), unroll=True, **ALL_OUT)
    layer = Trial(layers, unrolled).layer
    assert "keras.ops in a scan" in layer.explain()
    at_once = Trial(layers, rnn(cells.min_gru(4), **ALL_OUT))
    assert_same(Trial(layers, unrolled).gradients(), at_once.gradients())
