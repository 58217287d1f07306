import numpy as np
import pytest

from refrain.errors import DataError
from refrain.tasks.series import bundled_series, clean, read_series
from tests.tasks.series import DATA, write_csv


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


def test_absent_rows_are_gaps(tmp_path):
    text = "day,v\n2024-01-01,1\n2024-01-02,2\n2024-01-04,4\n2024-01-05,7\n"
    series = read_series(write_csv(tmp_path, text))
    assert series.values.tolist() == [1, 2, 3, 4, 7]
    assert series.observed.tolist() == [True, True, False, True, True]


def test_the_time_column_is_found_and_rows_are_ordered(tmp_path):
    text = "place,v,when\nx,3,2024-03\nx,1,2024-01\nx,2,2024-02\n"
    series = read_series(write_csv(tmp_path, text))
    assert series.values.tolist() == [1, 2, 3]
    assert series.times.astype(str).tolist() == ["2024-01", "2024-02", "2024-03"]


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


def test_one_column_cannot_be_both(tmp_path):
    file = write_csv(tmp_path, "a,b\n1,2\n2,3\n")
    with pytest.raises(DataError, match="cannot be both the target and the time"):
        read_series(file, target="a", time="a")


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are absent")
@pytest.mark.parametrize(
    ("name", "target", "points", "missing", "step"),
    [
        ("airline-passengers", None, 144, 0, "month"),
        ("monthly-sunspots", None, 2820, 0, "month"),
        ("daily-min-temperatures", None, 3652, 2, "day"),
        ("shampoo", None, 36, 0, "step"),
        ("nyc_taxi", None, 10320, 0, "30 minutes"),
        ("pollution", "pm2.5", 43800, 2043, "step"),
        ("ETTh1", "OT", 17420, 0, "hour"),
    ],
)
def test_real_files_are_read_whole(name, target, points, missing, step):
    series = read_series(DATA / f"{name}.csv", target)
    assert len(series) == points
    assert (~series.observed).sum() == missing
    assert series.step == step
