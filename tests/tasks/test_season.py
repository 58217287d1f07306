import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refrain.tasks.forecast.panel import Columns, read_panel
from refrain.tasks.season import autocorrelation, find_season
from tests.tasks.series import DATA, seasonal


def test_autocorrelation_equals_its_definition(rng):
    values = rng.normal(size=50).cumsum()
    time = np.arange(50)
    rest = values - np.polyval(np.polyfit(time, values, 1), time)
    expected = [(rest[k:] * rest[: 50 - k]).sum() / (rest**2).sum() for k in range(20)]
    np.testing.assert_allclose(autocorrelation(values, 19), expected, atol=1e-12)


@pytest.mark.parametrize("season", [4, 7, 12, 24])
def test_a_season_is_found_with_and_without_the_calendar(season):
    values = seasonal(240, season).values
    assert find_season(values)[0] == season
    found, why = find_season(values, cycles=(season,))
    assert found == season
    assert "calendar" in why


@given(seed=st.integers(0, 2**32 - 1), points=st.integers(2, 400))
def test_a_season_leaves_room_to_repeat_itself(seed, points):
    values = np.random.default_rng(seed).normal(size=points)
    season, _ = find_season(values, cycles=(2, 7, 12, 24, 168))
    assert 1 <= season <= max(1, points // 2)


@pytest.mark.parametrize("values", [np.arange(100.0), 0.98 ** np.arange(100)])
def test_a_trend_alone_is_no_season(values):
    assert find_season(values, cycles=(7, 12))[0] == 1


def test_a_short_series_shows_no_season():
    assert find_season(np.array([1.0, 2, 1, 2, 1])) == (
        1,
        "none: the training part is too short to show one",
    )


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are absent")
@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("airline-passengers", 12, 12),
        ("daily-min-temperatures", 365, 365),
        ("nyc_taxi", 336, 336),
        ("monthly-sunspots", 120, 140),  # the cycle of ten to eleven years
    ],
)
def test_real_seasons_are_found(name, least, most):
    (member,) = read_panel(DATA / f"{name}.csv", Columns())
    series = member.series
    values = series.values[: int(0.65 * len(series))]
    assert least <= find_season(values, series.cycles)[0] <= most
