"""The contest of texts: what it learns from, and that it can be won."""

import csv

import numpy as np
import pytest

from refrain.compare.kept import digest
from refrain.compare.measure import measure
from refrain.compare.run import run
from refrain.compare.texts import text_contest
from refrain.errors import DataError
from refrain.study.candidates import find_candidates
from refrain.study.training import Budget

# Keras's own, when it reads a variable on JAX with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

WORDS = {"up": ("high", "rise", "top"), "down": ("low", "fall", "deep")}


def written(folder, rows):
    file = folder / "texts.csv"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([("note", "way"), *rows])
    return str(file)


def rows(count=240):
    rng = np.random.default_rng(4)
    for k in range(count):
        label = ("up", "down")[k % 2]
        filler = rng.choice(["a", "b", "c"], size=rng.integers(1, 6)).tolist()
        yield " ".join([*filler, str(rng.choice(WORDS[label]))]), label


@pytest.fixture(scope="module")
def contest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    return text_contest(written(folder, rows()))


def test_every_part_has_every_label_and_none_is_in_two(contest):
    assert contest.facts["split"] == {"training": 172, "validation": 20, "test": 48}
    for _, labels in (contest.training, contest.validation, contest.held_out):
        assert set(labels) <= {0, 1}
    assert contest.lengths[0].max() <= contest.training[0].shape[1]
    assert contest.title == "way of texts, texts.csv"


def test_a_network_learns_and_is_judged_on_the_same_texts_as_the_baselines(contest):
    (gru,) = find_candidates("gru")
    found = run(contest, gru, 8, Budget(epochs=12, learning_rate=0.02), deep=True)
    frequent, linear = contest.baselines
    assert np.sum(found.shown) == np.sum(frequent.shown) == 48
    assert frequent.fixed["accuracy"] == 0.5
    assert linear.fixed["accuracy"] > 0.9
    assert found.scores["accuracy"] > 0.9
    assert np.trace(found.shown) / 48 == found.scores["accuracy"]
    assert found.memory.steps == contest.held_out[0].shape[1]
    assert found.steps_a_second > 0
    network = measure(contest, gru, 8, 32)
    assert network.latency.way == "stream"
    assert network.multiply_adds == 3 * 8 * (64 + 8)


def test_a_digest_tells_contests_apart(contest, tmp_path):
    (gru,) = find_candidates("gru")
    other = text_contest(written(tmp_path, rows(230)))
    assert digest(contest, gru, {}) != digest(other, gru, {})
    assert digest(contest, gru, {}) == digest(contest, gru, {})


def test_texts_are_thinned_evenly(tmp_path):
    found = text_contest(written(tmp_path, rows()), max_texts=101)
    assert found.facts["texts"] == 101
    assert any(line.startswith("101 of 240 texts used") for line in found.about)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([("a b", "up")] * 9, "expected two labels or more, received only 'up'"),
        ([("a b", "up")] * 9 + [("c", "down")] * 2, "'down' occurs 2 times"),
    ],
)
def test_labels_that_cannot_be_learnt_are_refused(tmp_path, given, message):
    with pytest.raises(DataError, match=message):
        text_contest(written(tmp_path, given))
