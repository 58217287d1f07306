import numpy as np
import pytest

from refrain.errors import DataError
from refrain.tasks.series import bundled_series, clean


def test_the_bundled_series_is_the_one_that_statsmodels_ships():
    series = bundled_series()
    assert len(series) == 732
    assert series.observed.all()
    assert series.step == "month"
    assert str(series.times[0]) == "1950-01"
    assert str(series.times[-1]) == "2010-12"
    # January and December of the first and of the last year, read off the source.
    assert series.values[[0, 11, -1]].tolist() == [23.11, 21.80, 22.07]


def test_gaps_inside_are_interpolated_and_marked_and_those_at_the_ends_cut_off():
    values = np.array([np.nan, 1, 2, np.nan, np.nan, 5, 6, 9, np.nan])
    series = clean("v", "test", values)
    assert series.values.tolist() == [1, 2, 3, 4, 5, 6, 9]
    assert series.observed.tolist() == [True, True, False, False, True, True, True]
    assert series.notes == (
        "2 missing values at the ends cut off",
        "2 missing values (28.6 %) interpolated; errors leave them out",
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([np.nan] * 5, "every value is missing"),
        ([1, *[np.nan] * 8, 2], "8 of 10 values are missing; expected at least half"),
        ([4.5] * 30, "'v' is constant: every value is 4.5"),
    ],
)
def test_values_that_cannot_serve_are_explained(values, message):
    with pytest.raises(DataError, match=message):
        clean("v", "test", np.array(values))
