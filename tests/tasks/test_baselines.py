import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refrain.tasks.baselines import naive, seasonal_error, seasonal_naive
from refrain.tasks.forecast.accuracy import accuracy
from refrain.tasks.series import clean
from tests.tasks.series import seasonal


def test_naive_repeats_the_last_value():
    values = np.arange(10.0)
    np.testing.assert_array_equal(naive(values, np.array([3, 7]), 2), [[2, 2], [6, 6]])


@given(season=st.integers(1, 9), horizon=st.integers(1, 20), origin=st.integers(9, 30))
def test_seasonal_naive_reads_the_last_season_before_the_origin(
    season, horizon, origin
):
    index = np.arange(60.0)
    read = seasonal_naive(index, np.array([origin]), horizon, season)[0]
    assert (read < origin).all()
    assert (read >= origin - season).all()
    assert ((origin + np.arange(horizon) - read) % season == 0).all()


def test_seasonal_naive_is_exact_on_a_periodic_series():
    values = np.tile([3.0, 1, 4, 1, 5], 10)
    origins = np.arange(10, 30)
    truth = values[origins[:, None] + np.arange(12)]
    np.testing.assert_array_equal(seasonal_naive(values, origins, 12, 5), truth)


def test_mase_of_one_step_seasonal_naive_on_its_own_part_is_one():
    series = seasonal(80, 8)
    origins = np.arange(8, 80)
    forecast = seasonal_naive(series.values, origins, 1, 8)
    truth = series.values[origins][:, None]
    scale = seasonal_error(series, 80, 8)
    errors = accuracy(forecast, truth, np.full(len(truth), scale))
    assert errors["mase"] == pytest.approx(1, rel=1e-12)


def test_mase_is_not_defined_where_the_season_repeats_itself_exactly():
    series = clean("v", "test", np.tile([1.0, 2, 3], 20))
    scale = seasonal_error(series, 60, 3)
    assert scale == 0
    assert "mase" not in accuracy(np.ones((2, 2)), np.ones((2, 2)), np.full(2, scale))
