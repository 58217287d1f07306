import math

import numpy as np
import pytest

from refrain.tasks.baselines import drift
from refrain.tasks.forecast.accuracy import accuracy
from refrain.tasks.forecast.exponential import ets


def test_measures_equal_those_by_hand():
    truth = np.array([[1.0, 2.0], [4.0, np.nan]])
    forecast = np.array([[2.0, 2.0], [2.0, 9.0]])
    quantiles = np.stack([forecast - 1, forecast, forecast + 1], axis=-1)
    found = accuracy(forecast, truth, np.array([2.0, 0.0]), quantiles, (0.1, 0.5, 0.9))
    pinball = np.mean(
        [
            *(0.1 * 0, 0.5 * 1, 0.1 * 2),  # truth 1: at 1, below 2, below 3
            *(0.1 * 1, 0.5 * 0, 0.1 * 1),
            *(0.1 * 3, 0.5 * 2, 0.9 * 1),
        ]
    )
    assert found == pytest.approx(
        {
            "mae": 1,
            "rmse": math.sqrt(5 / 3),
            "smape": 100 * (2 / 3 + 0 + 4 / 6) / 3,
            "mase": 0.25,  # of the first window alone: the second has no scale
            "pinball": pinball,
            "coverage": 2 / 3,
        }
    )


def test_without_truth_nothing_is_claimed():
    none = np.full((2, 3), np.nan)
    found = accuracy(np.zeros((2, 3)), none, np.ones(2))
    assert found == {}


def test_what_is_not_defined_is_left_out():
    found = accuracy(np.zeros((1, 2)), np.ones((1, 2)), np.zeros(1))
    assert set(found) == {"mae", "rmse", "smape"}


def test_drift_goes_on_along_the_line():
    values = np.array([1.0, 5, 2, 7, 4])
    np.testing.assert_allclose(drift(values, np.array([4]), 3), [[9, 11, 13]])


def test_ets_finds_trend_and_season(rng):
    time = np.arange(96)
    values = 50 + 0.5 * time + 8 * np.sin(2 * np.pi * time / 12)
    values = values + rng.normal(size=96, scale=0.1)
    origins = np.array([72, 84])
    found = ets(values, origins, 12, 12)
    truth = values[origins[:, None] + np.arange(12)]
    assert np.abs(found - truth).mean() < 0.5


def test_ets_takes_a_long_season_out_before(rng):
    time = np.arange(320)
    values = 9 * np.sin(2 * np.pi * time / 40) + rng.normal(size=320, scale=0.1)
    found = ets(values, np.array([300]), 20, 40)
    assert np.abs(found[0] - values[300:]).mean() < 1


@pytest.mark.parametrize("season", [4, 30])  # the longer one is taken out before
def test_ets_reads_nothing_from_later(rng, season):
    values = rng.normal(size=200).cumsum() + 30
    other = values.copy()
    other[180:] += 40
    one, two = (ets(v, np.array([180]), 5, season) for v in (values, other))
    np.testing.assert_array_equal(one, two)
