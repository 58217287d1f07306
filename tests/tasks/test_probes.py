import math
import os
import subprocess
import sys

import numpy as np
import pytest

from refrain.errors import DataError
from refrain.study.candidates import find_candidates
from refrain.study.diagnosis import diagnose
from refrain.tasks.attempts import Effort, attempt
from refrain.tasks.probes import COPIED, PROBES, SYMBOLS, find_probe

# Keras's own, when it reads a variable on JAX with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")


def drawn(key, count, length, unseen=False, seed=3):
    return PROBES[key].draw(count, length, np.random.default_rng(seed), unseen)


def test_the_sum_of_what_is_marked_is_asked_for():
    x, y = drawn("adding", 500, 20)
    assert x.shape == (500, 20, 2)
    marks = x[..., 1]
    assert (marks[:, :10].sum(1) == 1).all()
    assert (marks[:, 10:].sum(1) == 1).all()
    np.testing.assert_allclose(y[:, 0], (x[..., 0] * marks).sum(1), rtol=1e-6)


def test_who_says_one_has_the_baseline_of_adding():
    _, y = drawn("adding", 200_000, 4)
    assert ((y - 1) ** 2).mean() == pytest.approx(1 / 6, rel=0.02)
    assert PROBES["adding"].baseline(200) == pytest.approx(0.1667, abs=1e-4)


def test_symbols_are_asked_for_after_the_sign():
    length = 7
    x, y = drawn("copy", 50, length)
    assert x.shape == (50, length + 20, SYMBOLS + 2)
    read = x.argmax(-1)
    np.testing.assert_array_equal(y[:, -COPIED:], read[:, :COPIED])
    assert (y[:, :-COPIED] == SYMBOLS).all()
    assert (read[:, length + COPIED - 1] == SYMBOLS + 1).all()  # the step before
    assert set(np.unique(read[:, :COPIED])) == set(range(SYMBOLS))
    assert (np.delete(read[:, COPIED:], length - 1, axis=1) == SYMBOLS).all()


def test_who_remembers_nothing_has_the_baseline_of_copy_memory():
    probe, length = PROBES["copy"], 30
    _, y = drawn("copy", 20, length)
    guess = np.zeros((length + 20, SYMBOLS + 1))
    guess[:-COPIED, SYMBOLS] = 1.0
    guess[-COPIED:, :SYMBOLS] = 1 / SYMBOLS

    class Guess:
        def predict(self, x, **_):
            return np.broadcast_to(guess, (len(x), *guess.shape))

    error = probe.error(Guess(), y, y)
    assert error == pytest.approx(probe.baseline(length))
    assert error == pytest.approx(10 * math.log(8) / 50)


@pytest.mark.parametrize("length", [8, 64])
def test_digits_are_read_pixel_by_pixel(length):
    datasets = pytest.importorskip("sklearn.datasets")
    images = datasets.load_digits().images.reshape(-1, 64) / 16
    x, _ = drawn("digits", 5, length)
    assert x.shape == (5, length, 64 // length)
    known = {image.astype("float32").tobytes() for image in images}
    assert all(image.reshape(64).tobytes() in known for image in x)
    unseen, classes = drawn("digits", 5, length, unseen=True)
    assert len(unseen) == len(classes) == 539
    many, _ = drawn("digits", 20_000, length)
    assert not {i.tobytes() for i in many} & {i.tobytes() for i in unseen}
    assert np.bincount(classes).max() / 539 < 0.12  # baseline: who names one class


def test_one_permutation_is_for_all_digits():
    plain, _ = drawn("digits", 6, 64)
    mixed, _ = drawn("permuted", 6, 64)
    assert not np.array_equal(plain, mixed)
    order = np.random.default_rng(92916).permutation(64)
    np.testing.assert_array_equal(plain[:, order], mixed)


@pytest.mark.parametrize("key", PROBES)
def test_a_probe_is_drawn_from_its_seed(key):
    for one, other in zip(drawn(key, 4, 8), drawn(key, 4, 8), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(drawn(key, 4, 8)[0], drawn(key, 4, 8, seed=4)[0])


@pytest.mark.parametrize("key", PROBES)
def test_every_probe_can_be_attempted(key):
    (cell,) = find_candidates("gru")
    found, model = attempt(PROBES[key], cell, 8, Effort(3, units=4, batch_size=8))
    x, y = drawn(key, 2, 8)
    assert model(x).shape[:-1] == (y.shape if PROBES[key].answers > 1 else (2,))
    assert found.updates == 3
    assert not found.solved
    assert found.baseline == PROBES[key].baseline(8)
    assert 0 < found.error < 10


def test_a_solved_probe_ends_before_its_budget():
    effort = Effort(3000, units=16, learning_rate=1e-2)
    found, _ = attempt(find_probe("adding"), *find_candidates("gru"), 4, effort)
    assert (found.cell, found.length) == ("gru", 4)
    assert found.solved
    assert found.error < 0.01
    assert found.updates < 3000


@pytest.mark.slow
def test_a_simple_rnn_forgets_what_gated_cells_add():
    """Over 200 steps: LSTM and GRU solve it, and their gradient reaches back."""
    probe, effort, reach = PROBES["adding"], Effort(), {}
    for cell in find_candidates("lstm,gru,rnn"):
        found, model = attempt(probe, cell, 200, effort)
        assert found.solved == (cell.key != "rnn"), found
        if cell.key == "rnn":
            assert found.error > 0.9 * found.baseline
        data = drawn("adding", 4, 200)
        (told,) = diagnose(model, *data, "mse")
        *_, by_lag = told.flow.loss.values()  # of c, or of the only state
        reach[cell.key] = by_lag[99] / by_lag[0]
    assert reach["rnn"] < 1e-3 * min(reach["lstm"], reach["gru"])


LONG = (  # cells that their papers made for long memories
    *("irnn", "janet", "indrnn", "slstm"),
    *("antisymmetric_rnn", "cornn", "lem", "lru", "rg_lru"),
)


@pytest.mark.slow
@pytest.mark.parametrize("key", LONG)
def test_cells_made_for_long_memories_add_over_200_steps(key):
    """As in `benchmarks/adding.py`, where a simple RNN learns nothing in 6000 updates.

    How long a cell takes is partly chance, so there is time for each.
    """
    effort = Effort(12_000, learning_rate=2e-3)
    found, _ = attempt(PROBES["adding"], *find_candidates(key), 200, effort)
    assert found.solved, found


@pytest.mark.parametrize(
    ("key", "length", "expected"),
    [
        ("digits", 10, "divides 64 pixels, received 10"),
        ("permuted", 0, "divides 64 pixels, received 0"),
        ("adding", 1, "at least 2, received 1"),
    ],
)
def test_lengths_that_there_are_not_are_refused(key, length, expected):
    with pytest.raises(DataError, match=expected):
        attempt(PROBES[key], *find_candidates("gru"), length)


def test_an_unknown_probe_is_refused():
    with pytest.raises(DataError, match="unknown probe 'xor'; expected one of adding"):
        find_probe("xor")


def test_probes_are_listed_without_keras():
    code = "import sys, refrain.tasks.probes; print('keras' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
