"""Options of the zoo's cells, and what their papers say of extremes."""

import numpy as np
import pytest

from refrain import cells
from refrain.graph.evaluate import run
from tests.cells.papers import dynamics, gated, linear
from tests.cells.test_papers import assert_equals_the_paper, by_hand
from tests.randoms import random_states, random_weights, unpacked


def exponential_slstm(*given, **variables):
    return gated.slstm(*given, **variables, forget=np.exp)


CASES = {
    "exponential forget gate": (
        cells.slstm(5, log_forget="linear"),
        exponential_slstm,
    ),
    "gated": (cells.antisymmetric_rnn(5, gated=True), dynamics.antisymmetric_rnn),
    "no peephole": (cells.sru(5, peephole=False), linear.sru),
}


@pytest.mark.parametrize("case", CASES)
def test_option_equals_the_paper(case, rng):
    assert_equals_the_paper(*CASES[case], rng)


def test_slstm_starts_from_nothing_and_stands_any_exponent(rng):
    sized = cells.slstm(4)
    variables = random_weights(sized, 3, rng)
    x = rng.normal(size=(2, 8, 3))
    states = dict.fromkeys(sized.cell.states, np.zeros((2, 4)))
    outputs, _ = run(sized.graph, x, states, unpacked(sized, 3, variables))
    expected, _ = by_hand(gated.slstm, x, states, variables)
    np.testing.assert_allclose(outputs, expected, rtol=1e-10)
    variables["bias"][:4] = 2000.0  # exp(2000) is infinite
    outputs, _ = run(sized.graph, x, states, unpacked(sized, 3, variables))
    assert np.isfinite(outputs).all()
    assert np.abs(outputs).max() > 0.01


def test_min_lstm_stands_gates_that_vanish(rng):
    sized = cells.min_lstm(4)
    variables = random_weights(sized, 3, rng)
    variables["bias"][:8] = -1000.0
    x, states = rng.normal(size=(2, 8, 3)), random_states(sized, 2, rng)
    outputs, _ = run(sized.graph, x, states, unpacked(sized, 3, variables))
    assert np.isfinite(outputs).all()
