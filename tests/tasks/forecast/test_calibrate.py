"""Quantiles that are moved hold on values that were not used to move them."""

import numpy as np
import pytest

from refrain.tasks.forecast.calibrate import advice, apply_shift, fit_shift

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def coverage(quantiles, truth):
    inside = (quantiles[..., 0] <= truth) & (truth <= quantiles[..., -1])
    return inside.mean(axis=0)


def narrow(windows: int, horizon: int = 3):
    """Quantiles of a network that is far too sure, the same for all windows."""
    return np.tile(np.linspace(-0.2, 0.2, len(LEVELS)), (windows, horizon, 1))


@pytest.mark.parametrize("windows", [19, 60, 400])
def test_intervals_cover_what_they_say(rng, windows):
    spread = np.array([1.0, 2.0, 5.0])  # each step has its own
    covered = []
    for _ in range(200):
        truth = rng.normal(size=(windows, 3)) * spread
        shift = fit_shift(narrow(windows), truth, LEVELS, windows)
        later = rng.normal(size=(200, 3)) * spread
        covered.append(coverage(apply_shift(narrow(200), shift, LEVELS), later))
    found = np.mean(covered, axis=0)
    # At least what they say, and little more than the rank of few values asks for.
    assert (found > 0.89).all()
    assert (found < 0.9 + 2 / (windows + 1) + 0.01).all()


def test_windows_that_overlap_count_once(rng):
    truth = rng.normal(size=(100, 1))
    sure, unsure = (
        fit_shift(narrow(100, 1), truth, LEVELS, apart)[0] for apart in (100, 25)
    )
    assert unsure[0] < sure[0] < 0 < sure[-1] < unsure[-1]
    assert sure[2] == unsure[2] == 0


def test_with_too_few_windows_quantiles_move_outwards_alone():
    truth = np.array([[0.01], [0.02], [0.03]])
    shift = fit_shift(narrow(3, 1), truth, LEVELS, 3)[0]
    assert shift[[0, 4]].tolist() == [0, 0]
    far = fit_shift(narrow(3, 1), truth + 7, LEVELS, 3)[0]
    assert far[4] == pytest.approx(7.03 - 0.2)


def test_steps_without_a_value_stay():
    truth = np.full((30, 3), np.nan)
    truth[:, 1] = 4.0
    shift = fit_shift(narrow(30), truth, LEVELS, 30)
    assert not shift[[0, 2]].any()
    assert shift[1].any()


def test_too_few_windows_are_told():
    assert advice(LEVELS, 19) == ()
    (told,) = advice(LEVELS, 18)
    assert "the 90 % interval needs a validation part of 19 horizons, found 18" in told
    assert advice((0.1, 0.5, 0.9), 9) == ()
    assert advice((0.1, 0.5, 0.9), 8)
    assert advice((0.5,), 1) == ()


def test_the_median_stays_and_quantiles_rise(rng):
    outputs = rng.normal(size=(40, 3, 5))
    shift = np.array([3.0, -1, 0, -2, 1]) * np.ones((3, 1))  # some past the median
    found = apply_shift(outputs, shift, LEVELS)
    assert (np.diff(found, axis=-1) >= 0).all()
    np.testing.assert_array_equal(found[..., 2], np.median(outputs, axis=-1))
    ordered = np.sort(outputs, axis=-1)
    np.testing.assert_array_equal(apply_shift(outputs, 0 * shift, LEVELS), ordered)
