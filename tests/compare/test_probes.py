"""The contest of a probe: its data, and how it is judged."""

import numpy as np
import pytest

from refrain.compare.measure import measure
from refrain.compare.probes import probe_contest
from refrain.compare.run import run
from refrain.errors import DataError
from refrain.study.candidates import find_candidates
from refrain.study.training import Budget

# Keras's own, when it reads a variable on JAX with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

(GRU,) = find_candidates("gru")


def test_the_baseline_of_adding_is_what_is_known():
    contest = probe_contest("adding", 10, sequences=50)
    (none,) = contest.baselines
    assert none.fixed == {"squared error": pytest.approx(1 / 6)}
    assert contest.notes == ("solved: squared error below 0.01",)
    assert contest.training[0].shape == (50, 10, 2)


def test_sequences_are_those_of_their_seed():
    one, two, other = (
        probe_contest("copy", 5, sequences=20, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.training[0], two.training[0])
    assert (one.training[0] != other.training[0]).any()


def test_digits_are_judged_on_images_that_nobody_learnt_from():
    contest = probe_contest("digits", 8, sequences=600)
    found = run(contest, GRU, 16, Budget(epochs=6, learning_rate=0.01), deep=True)
    assert np.shape(found.shown) == (10, 10)
    error = 1 - np.trace(found.shown) / np.sum(found.shown)
    assert found.scores["error rate"] == pytest.approx(error)
    assert error < 0.6  # of 0.9 by chance
    assert found.memory.steps == 8
    assert measure(contest, GRU, 16, 32).latency.way == "stream"


def test_an_answer_at_every_step_is_judged_at_every_step():
    contest = probe_contest("copy", 3, sequences=100)
    found = run(contest, GRU, 8, Budget(epochs=1), deep=True)
    assert found.scores["cross-entropy"] > 0
    assert found.memory.steps == 23
    assert contest.exhibit is None


def test_what_is_no_probe_is_refused():
    with pytest.raises(DataError, match="unknown probe 'sum'; expected one of adding"):
        probe_contest("sum")
    with pytest.raises(DataError, match="a length that divides 64 pixels, received 7"):
        probe_contest("digits", 7)
