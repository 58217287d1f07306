import numpy as np
import pytest

from refrain.tasks.text.measures import (
    balanced,
    judge,
    linear_baseline,
    log_odds,
    softmax,
    temperature,
)
from refrain.tasks.text.split import split
from tests.tasks.text.reviews import reviews


def test_figures_of_a_small_case_by_hand():
    truth = np.array([0, 0, 1, 1])
    p = np.array([0.9, 0.4, 0.3, 0.2])
    found = judge(truth, np.stack([p, 1 - p], axis=1))
    assert found.confusion == [[1, 1], [0, 2]]
    f1 = np.mean([2 * 1 / (2 * 1 + 1), 2 * 2 / (2 * 2 + 1)])
    loss = -np.log([0.9, 0.4, 0.7, 0.8]).mean()
    expected = {"accuracy": 0.75, "f1": f1, "auc": 1.0, "log_loss": loss}
    assert found.figures == pytest.approx(expected)


def test_a_label_that_is_absent_leaves_no_auc():
    found = judge(np.array([0, 0]), np.array([[0.9, 0.1], [0.2, 0.8]]))
    assert np.isnan(found.figures["auc"])
    assert found.figures["accuracy"] == 0.5


def test_the_temperature_is_the_one_that_was_used(rng):
    logits = rng.normal(size=(20_000, 3)) * 2
    drawn = rng.random((20_000, 1))
    truth = (softmax(logits / 1.7).cumsum(axis=1) < drawn).sum(axis=1)
    assert temperature(truth, logits) == pytest.approx(1.7, rel=0.05)


@pytest.mark.parametrize(("texts", "classes"), [(8, 2), (30, 3), (1000, 2)])
def test_few_texts_that_are_all_right_do_not_make_it_sure(texts, classes):
    truth = np.arange(texts) % classes
    logits = 5.0 * np.eye(classes)[truth]
    found = softmax(logits / temperature(truth, logits))[0, 0]
    assert found == pytest.approx((texts + 1) / (texts + 2), rel=1e-4)


def test_log_odds_are_those_of_the_first_rows_label(rng):
    logits = rng.normal(size=(5, 3))
    p = softmax(logits)[:, logits[0].argmax()]
    np.testing.assert_allclose(log_odds(logits), np.log(p / (1 - p)))
    assert np.isfinite(log_odds(np.array([[90.0, -900.0]]))).all()


def test_weights_let_every_label_count_the_same():
    truth = np.array([0, 0, 0, 1])
    weights = balanced(truth, 2)
    assert weights.mean() == 1
    assert weights[truth == 0].sum() == weights[truth == 1].sum()


def test_the_baseline_learns_words():
    texts, labels = reviews(60)
    truth = np.array(labels) == "good"
    pipeline = linear_baseline(texts, truth)
    texts, labels = reviews(40, seed=1)
    assert pipeline.score(texts, np.array(labels) == "good") == 1


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.99])
def test_a_split_keeps_every_label_in_both_parts(rng, share):
    truth = np.concatenate([np.zeros(90, int), np.ones(11, int), [2, 2]])
    truth = rng.permutation(truth)
    larger, smaller = split(truth, share, seed=3)
    assert sorted([*larger, *smaller]) == list(range(103))
    for rows in (larger, smaller):
        assert set(truth[rows]) == {0, 1, 2}
    counts = np.bincount(truth[smaller])
    assert abs(counts[0] - share * 90) <= 1
    again = split(truth, share, seed=3)[1]
    assert again.tolist() == smaller.tolist()


def test_the_linear_baseline_takes_texts_without_words():
    texts, truth = 5 * ["!", "?"], np.array(5 * [0, 1])
    assert linear_baseline(texts, truth).score(texts, truth) == 1
