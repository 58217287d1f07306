"""Options of the zoo's cells, and what their papers say of extremes."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest

from refrain import cells
from refrain.graph.evaluate import run
from tests.cells.papers import dynamics, gated, gru, linear
from tests.cells.test_papers import assert_equals_the_paper, by_hand
from tests.randoms import random_states, random_weights, unpacked

CASES = {
    "exponential forget gate": (
        cells.slstm(5, log_forget="linear"),
        partial(gated.slstm, forget=np.exp),
    ),
    "gated": (cells.antisymmetric_rnn(5, gated=True), dynamics.antisymmetric_rnn),
    "step and diffusion": (
        cells.antisymmetric_rnn(5, epsilon=0.3, gamma=0.2),
        partial(dynamics.antisymmetric_rnn, epsilon=0.3, gamma=0.2),
    ),
    "oscillators": (
        cells.cornn(5, dt=0.2, gamma=1.5, epsilon=0.7),
        partial(dynamics.cornn, dt=0.2, gamma=1.5, epsilon=0.7),
    ),
    "smaller steps": (cells.lem(5, dt=0.3), partial(dynamics.lem, dt=0.3)),
    "no peephole": (cells.sru(5, peephole=False), linear.sru),
    "highway as it is": (cells.sru(5, scale=1.0), partial(linear.sru, alpha=1.0)),
    "beta": (cells.janet(5, beta=0.4), partial(gru.janet, beta=0.4)),
    "identity": (cells.ran(5, activation="linear"), partial(gated.ran, g=np.asarray)),
    "slower context": (
        cells.scrn(5, context=3, alpha=0.99),
        partial(gated.scrn, alpha=0.99),
    ),
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


@pytest.mark.parametrize("made", [cells.lstm, cells.gru(3, reset_after=False)])
def test_copies_and_pickles_know_the_same_equations(made):
    for copied in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):  # noqa: S301
        assert copied == made
        assert getattr(copied, "cell", copied) is getattr(made, "cell", made)
