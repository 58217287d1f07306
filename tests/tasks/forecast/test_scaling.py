import numpy as np
import pytest

from refrain.tasks.forecast.scaling import (
    calendar,
    find_calendar,
    fit_code,
    fit_scaling,
    swing_grows_with_level,
)


@pytest.mark.parametrize("log", [False, True])
def test_restore_undoes_scale(rng, log):
    values = rng.uniform(1, 90, 50)
    scaling = fit_scaling(values[:30], 1, log)
    np.testing.assert_allclose(scaling.restore(scaling.scale(values)), values)
    inside = scaling.scale(values[:30])
    assert inside.mean() == pytest.approx(0, abs=1e-12)
    assert inside.std() == pytest.approx(1)


def test_a_logarithm_is_taken_where_the_swing_grows():
    time = np.arange(120)
    wave = np.sin(2 * np.pi * time / 12)
    growing = np.exp(0.02 * time + 0.3 * wave)
    assert swing_grows_with_level(growing, 12)
    assert not swing_grows_with_level(50 + time + 3 * wave, 12)
    assert not swing_grows_with_level(growing - 1, 12)  # not all positive
    assert not swing_grows_with_level(growing[:30], 12)  # too short to tell


def test_a_constant_training_part_is_not_divided_by_nothing():
    scaling = fit_scaling(np.full(20, 3.0), 1)
    assert scaling.scale(np.array([3.0, 4.0])).tolist() == [0, 1]


def test_words_become_channels_and_unknown_ones_none():
    code = fit_code("wind", [np.array(["N", "", "S", "N"], object)])
    assert code.words == ("N", "S")
    found = code.apply(np.array(["", "S", "", "E"], object))
    assert found.tolist() == [[0, 0], [0, 1], [0, 1], [0, 0]]


def test_numbers_are_standardised_and_the_last_known_one_stands_for_a_gap():
    code = fit_code("t", [np.array([1.0, np.nan, 3.0])])
    found = code.apply(np.array([np.nan, 3.0, np.nan, 1e9]))
    assert found.ravel().tolist() == [0, 1, 1, 5]


def test_the_calendar_has_cycles_that_were_seen_twice():
    hours = np.datetime64("2024-01-01T00", "h") + np.arange(24 * 20)
    assert find_calendar(hours) == ("day", "week")
    months = np.datetime64("2000-01", "M") + np.arange(40)
    assert find_calendar(months) == ("year",)
    assert find_calendar(months[:12]) == ()
    assert find_calendar(np.arange(9.0)) == ()


def test_days_of_the_week_and_waves_of_the_day():
    hours = np.datetime64("2024-01-01T00", "h") + np.arange(48)  # a Monday
    found = calendar(hours, ("day", "week"), 48)
    assert found[:, 4:].argmax(axis=1).tolist() == [0] * 24 + [1] * 24
    np.testing.assert_allclose(found[:24, :4], found[24:, :4], atol=1e-6)
    assert found[6, 0] == pytest.approx(1)  # six o'clock is a quarter of the day
