import numpy as np
import pytest

from refrain.study.batches import BUCKETS, Arrays, Batches, padded_lengths


def rows(batches):
    return [batches[k][1].tolist() for k in range(len(batches))]


def test_the_order_is_that_of_seed_and_epoch():
    x = np.arange(50)[:, None]
    one, other = (Batches(x, x[:, 0], 8, seed=1) for _ in range(2))
    one.shuffle(0)
    one.shuffle(3)
    other.shuffle(3)
    assert rows(one) == rows(other)
    other.shuffle(4)
    assert rows(one) != rows(other)
    other = Batches(x, x[:, 0], 8, seed=2)
    other.shuffle(3)
    assert rows(one) != rows(other)


@pytest.mark.parametrize("seed", [None, 5])
@pytest.mark.parametrize("sized", [False, True])
def test_an_epoch_holds_every_sample_once(rng, seed, sized):
    lengths = rng.integers(1, 60, 101) if sized else None
    x = np.zeros((101, 59), int)
    batches = Batches(x, np.arange(101), 16, seed, np.arange(101) / 2, lengths)
    assert len(batches) == 7
    found = [batches[k] for k in range(len(batches))]
    assert sorted(np.concatenate([y for _, y, _ in found])) == list(range(101))
    for _, y, weights in found:
        assert weights.tolist() == (y / 2).tolist()
    assert sorted(len(y) for _, y, _ in found) == [5] + [16] * 6


def test_short_samples_are_padded_to_few_lengths(rng):
    lengths = rng.integers(1, 50, 400)
    x = (np.arange(49) < lengths[:, None]).astype(int)
    batches = Batches(x, lengths, 32, seed=2, lengths=lengths)
    shapes = {batches[k][0].shape for k in range(len(batches))}
    assert len({steps for _, steps in shapes}) == BUCKETS
    assert len(shapes) <= BUCKETS + 1
    for k in range(len(batches)):
        kept, steps = batches[k][:2]
        assert kept.sum(axis=1).tolist() == steps.tolist()


def test_padded_lengths_hold_their_samples(rng):
    for longest in (1, 3, 40, 900):
        lengths = rng.integers(0, longest, 30) + 1
        padded = padded_lengths(lengths)
        assert (padded >= lengths).all()
        assert (padded % 8 == 0).all()


def test_inputs_may_be_nested():
    x = {"past": np.arange(6), "future": (np.arange(6) * 2, np.arange(6) * 3)}
    batches = Batches(x, np.arange(6), 4)
    assert batches[1][0]["past"].tolist() == [4, 5]
    assert batches[1][0]["future"][1].tolist() == [12, 15]


def test_a_digest_tells_arrays_apart():
    x, y = np.zeros((4, 2)), np.zeros(4)
    one = Arrays(x, y, x, y)
    assert one.digest() == Arrays(x.copy(), y, x, y).digest()
    assert one.digest() != Arrays(x + 1, y, x, y).digest()
    assert one.digest() != Arrays(x.reshape(2, 4), y, x, y).digest()
    assert one.digest() != Arrays(x, y, x, y, weights=y).digest()
