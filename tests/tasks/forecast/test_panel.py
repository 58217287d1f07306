import numpy as np
import pandas as pd
import pytest

from refrain.errors import DataError
from refrain.tasks.forecast.panel import MOST_NOTES, Columns, all_notes, read_panel
from tests.tasks.forecast.tables import long_table
from tests.tasks.series import DATA, write_csv

ROLES = Columns(past="weather", future="promotion", static="kind")


def test_a_long_table_is_one_series_for_each_name(tmp_path):
    table = long_table()
    file = tmp_path / "sales.csv"
    table.sample(frac=1, random_state=1).to_csv(file, index=False)
    members = {m.series.name: m for m in read_panel(file, ROLES)}
    assert sorted(members) == ["shop 0", "shop 1", "shop 2"]
    for name, member in members.items():
        own = table[table.unique_id == name]
        np.testing.assert_array_equal(member.series.values, own.y)
        np.testing.assert_array_equal(member.future["promotion"], own.promotion)
        assert member.past["weather"].tolist() == own.weather.tolist()
        assert member.static == {"kind": own.kind.iloc[0]}
        assert member.series.step == "day"


def test_parquet_and_frames_read_as_csv_does(tmp_path):
    table = long_table()
    table["ds"] = pd.to_datetime(table["ds"])
    table.loc[[3, 40], "weather"] = None
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    expected = read_panel(tmp_path / "t.csv", ROLES)
    for data in (tmp_path / "t.parquet", table):
        for found, wanted in zip(read_panel(data, ROLES), expected, strict=True):
            np.testing.assert_array_equal(found.series.values, wanted.series.values)
            np.testing.assert_array_equal(found.series.times, wanted.series.times)
            assert found.past["weather"].tolist() == wanted.past["weather"].tolist()


def test_columns_of_a_wide_table_are_series(tmp_path):
    file = write_csv(
        tmp_path,
        "day,a,b,c\n"
        + "".join(f"2024-01-{k:02},{k},{2 * k},{-k}\n" for k in range(1, 9)),
    )
    everything = read_panel(file, Columns(target="all"))
    assert [m.series.name for m in everything] == ["a", "b", "c"]
    (chosen,) = read_panel(file, Columns(target="b", past="a,c"))
    assert chosen.series.values.tolist() == list(range(2, 18, 2))
    assert chosen.past["c"].tolist() == [-k for k in range(1, 9)]


def test_rows_without_a_value_may_tell_what_comes(tmp_path):
    lines = [f"2024-01-{k:02},{k if k < 7 else ''},{k % 2}" for k in range(1, 10)]
    file = write_csv(tmp_path, "day,y,open\n" + "\n".join(lines) + "\n")
    (member,) = read_panel(file, Columns(target="y", future="open"))
    assert len(member.series) == 6
    assert member.future["open"].tolist() == [1, 0, 1, 0, 1, 0, 1, 0, 1]


def test_a_date_may_lie_in_columns(tmp_path):
    rows = "".join(
        f"2024,2,{d},{h},{d * 24 + h}\n" for d in (28, 29) for h in range(24)
    )
    file = write_csv(tmp_path, "year,month,day,hour,v\n" + rows)
    (member,) = read_panel(file, Columns(target="v"))
    assert member.series.step == "hour"
    assert str(member.series.times[30]) == "2024-02-29T06:00"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (Columns(target="z"), "--target: no column 'z'; the columns are"),
        (Columns(target="y", past="y"), "the column 'y' has two roles"),
        (Columns(target="y", time="y"), "the column 'y' has two roles"),
        (Columns(static="weather"), "static column 'weather': expected one value"),
        (Columns(target="weather"), "series 'shop 0': column 'weather': expected num"),
        (Columns(series="weather"), "series '...': time column 'ds'.*more than once"),
        (Columns(target="y,promotion"), "one column of series and one target"),
    ],
)
def test_columns_that_cannot_serve_are_explained(columns, message):
    with pytest.raises(DataError, match=message):
        read_panel(long_table(), columns)


def test_a_long_table_without_its_column_of_series_is_explained():
    table = long_table().rename(columns={"unique_id": "shop"})
    with pytest.raises(DataError, match=r"more than once.*name it with --series"):
        read_panel(table, Columns(target="y"))


def test_a_date_that_is_none_is_named():
    table = long_table(1)[["ds", "y"]].rename(columns={"ds": "day"})
    table.loc[4, "day"] = "2024-02-30"
    with pytest.raises(DataError, match=r"'day': expected dates.*data row 5"):
        read_panel(table, Columns())


def test_notes_say_whose_they_are_and_what_is_not_used():
    table = long_table(12)
    table = table.drop(index=[5, 95])
    (idle,) = (n for n in all_notes(read_panel(table, Columns())) if "not used" in n)
    assert idle.startswith("columns not used: promotion, weather, kind (--time, ")
    used = Columns(past="weather", future="promotion", static="kind")
    assert all_notes(read_panel(table, used)) == (
        "shop 0, shop 1: 1 of 90 rows is absent (one every day)",
        "shop 0, shop 1: 1 missing value (1.1 %) interpolated; errors leave them out",
    )
    assert all_notes(read_panel(table[table.unique_id == "shop 1"], used))[0] == (
        "1 of 90 rows is absent (one every day)"
    )


def test_many_notes_are_counted():
    table = long_table(12)
    table.loc[[90 * k + j for k in range(12) for j in range(1, 2 + k)], "y"] = np.nan
    used = Columns(past="weather", future="promotion", static="kind")
    *first, last = all_notes(read_panel(table, used))
    assert (len(first), last) == (MOST_NOTES, "4 more notes of this kind")


def test_series_of_different_steps_are_refused():
    table = long_table(2)
    later = table.unique_id == "shop 1"
    table.loc[later, "ds"] = pd.date_range("2024-01-01", periods=90, freq="h").astype(
        str
    )
    with pytest.raises(DataError, match=r"different steps \(day, hour\)"):
        read_panel(table, Columns())


@pytest.mark.parametrize("data", [np.ones((3, 3)), ["a", "b"], {"a": 1}])
def test_other_data_is_refused(data):
    with pytest.raises(
        DataError, match="expected a file, a DataFrame, a Series or num"
    ):
        read_panel(data, Columns())


def test_a_damaged_parquet_file_is_refused(tmp_path):
    file = tmp_path / "t.parquet"
    file.write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match="not a Parquet file"):
        read_panel(file, Columns())


def test_absent_rows_are_gaps(tmp_path):
    text = "day,v\n2024-01-01,1\n2024-01-02,2\n2024-01-04,4\n2024-01-05,7\n"
    (member,) = read_panel(write_csv(tmp_path, text), Columns())
    assert member.series.values.tolist() == [1, 2, 3, 4, 7]
    assert member.series.observed.tolist() == [True, True, False, True, True]


def test_the_time_column_is_found_and_rows_are_ordered(tmp_path):
    text = "place,v,when\nx,3,2024-03\nx,1,2024-01\nx,2,2024-02\n"
    (member,) = read_panel(write_csv(tmp_path, text), Columns())
    assert member.series.values.tolist() == [1, 2, 3]
    times = member.series.times.astype(str).tolist()
    assert times == ["2024-01", "2024-02", "2024-03"]


def test_a_name_with_a_comma_is_one_name(tmp_path):
    text = "a,b,c\n" + "".join(f"{k},{2 * k},{-k}\n" for k in range(1, 9))
    file = write_csv(tmp_path, text.replace("a,b,c", '"load, kW",load,kW'))
    (member,) = read_panel(file, Columns(target="load, kW"))
    assert (member.series.name, member.series.values[0]) == ("load, kW", 1)
    both = read_panel(file, Columns(target="kW, load"))
    assert [m.series.name for m in both] == ["kW", "load"]


def test_a_series_alone_is_told_of_no_role_and_of_no_option_for_several():
    table = long_table(2)
    one = table[table.unique_id == "shop 1"]
    (member,) = read_panel(one, Columns(), alone=True)
    assert (member.series.name, member.series.notes) == ("shop 1", ())
    with pytest.raises(DataError, match="expected one series, found shop 0, shop 1; k"):
        read_panel(table, Columns(), alone=True)
    shops = table.rename(columns={"unique_id": "shop"})
    with pytest.raises(DataError, match=r"more than once.*; keep one series$"):
        read_panel(shops, Columns(target="y"), alone=True)


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are absent")
@pytest.mark.parametrize(
    ("name", "target", "points", "missing", "step"),
    [
        ("airline-passengers", None, 144, 0, "month"),
        ("monthly-sunspots", None, 2820, 0, "month"),
        ("daily-min-temperatures", None, 3652, 2, "day"),
        ("shampoo", None, 36, 0, "step"),
        ("nyc_taxi", None, 10320, 0, "30 minutes"),
        ("ETTh1", "OT", 17420, 0, "hour"),
    ],
)
def test_real_files_are_read_whole(name, target, points, missing, step):
    (member,) = read_panel(DATA / f"{name}.csv", Columns(target=target))
    series = member.series
    assert len(series) == points
    assert (~series.observed).sum() == missing
    assert series.step == step


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are absent")
def test_pollution_is_read_as_it_is():
    columns = Columns(target="pm2.5", past="DEWP,cbwd")
    (member,) = read_panel(DATA / "pollution.csv", columns)
    assert member.series.step == "hour"
    assert (len(member.series), (~member.series.observed).sum()) == (43800, 2043)
    assert set(member.past["cbwd"]) == {"NW", "NE", "SE", "cv"}
