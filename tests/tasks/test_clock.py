import numpy as np
import pandas as pd
import pytest

from refrain.errors import DataError
from refrain.tasks.clock import find_dates, looks_like_dates, read_clock


def column(start: str, points: int, spacing: str, form: str) -> pd.Series:
    return pd.Series(pd.date_range(start, periods=points, freq=spacing)).dt.strftime(
        form
    )


@pytest.mark.parametrize(
    ("spacing", "form", "step", "cycles"),
    [
        ("MS", "%Y-%m", "month", (12,)),
        ("ME", "%Y-%m-%d", "month", (12,)),
        ("QS", "%Y-%m-%d", "quarter", (4,)),
        ("YS", "%Y", "step", ()),  # four digits alone are numbers
        ("YS", "%Y-%m-%d", "year", ()),
        ("7D", "%Y-%m-%d", "week", (52,)),
        ("D", "%d.%m.%Y", "day", (7, 365)),
        ("D", "%m/%d/%Y", "day", (7, 365)),
        ("D", "%d/%m/%Y", "day", (7, 365)),
        ("h", "%Y-%m-%d %H:%M:%S", "hour", (24, 168, 8760)),
        ("30min", "%Y-%m-%dT%H:%M", "30 minutes", (2, 48, 336, 17520)),
        ("100ms", "%Y-%m-%d %H:%M:%S.%f", "0.1 seconds", ()),
    ],
)
def test_the_step_and_its_cycles_are_read_from_dates(spacing, form, step, cycles):
    text = column("2019-12-28", 60, spacing, form)
    clock = read_clock(text, "t")
    assert clock.step == step
    assert clock.cycles[: len(cycles)] == cycles
    assert clock.places.tolist() == list(range(60))
    assert not clock.notes


def test_absent_rows_become_places_of_their_own():
    text = column("2024-01-01", 20, "D", "%Y-%m-%d").drop([4, 5, 11])
    clock = read_clock(text.reset_index(drop=True), "day")
    assert len(clock.times) == 20
    assert sorted(set(range(20)) - set(clock.places)) == [4, 5, 11]
    assert clock.notes == ("3 of 20 rows are absent (one every day)",)


def test_rows_are_put_in_order():
    text = column("2024-01-01", 9, "MS", "%Y-%m")[::-1].reset_index(drop=True)
    clock = read_clock(text, "month")
    assert clock.order.tolist() == list(range(9))[::-1]
    assert clock.notes == ("rows put in order of 'month'",)


def test_uneven_times_are_said_to_be_taken_as_steps():
    days = np.datetime64("2024-01-01") + np.arange(30) ** 2
    clock = read_clock(pd.Series(days.astype(str)), "day")
    assert clock.step == "step"
    assert "the spacing of 'day' is uneven" in clock.notes[0]


def test_numbers_serve_as_times():
    clock = read_clock(pd.Series(["10", "12", "14", "18"]), "t")
    assert clock.times.tolist() == [10, 12, 14, 16, 18]
    assert clock.places.tolist() == [0, 1, 2, 4]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["2024-01-01", "", "2024-01-03"], "no value in data row 2"),
        (["2024-01-01", "2024-01-02", "2024-01-02"], "once; .* each time; keep one se"),
        (["2024-99-01", "2024-99-02", "2024-99-03"], "expected dates such as"),
        (["2024-01-01", "2024-02-31", "2024-03-01"], "'2024-02-31' in data row 2"),
        (
            ["1", "2", "later"],
            "expected dates .* or numbers, received 'later' in data r",
        ),
    ],
)
def test_a_time_that_cannot_serve_is_explained(texts, message):
    with pytest.raises(DataError, match=message):
        read_clock(pd.Series(texts), "t")


def test_mostly_absent_rows_are_refused():
    days = [*range(10), *range(1000, 1005)]
    text = pd.Series((np.datetime64("2024-01-01") + np.array(days)).astype(str))
    with pytest.raises(DataError, match="990 of 1,005 evenly spaced points are absent"):
        read_clock(text, "t")


@pytest.mark.parametrize("wrong", ["", "2024-13-01", "later"])
def test_a_few_wrong_values_do_not_hide_a_column_of_dates(wrong):
    text = column("2024-01-01", 20, "D", "%Y-%m-%d")
    text[7] = wrong
    words = pd.Series(["room 2024 x"] * 20)
    assert find_dates({"w": words, "t": text}, ["w", "t"]) == "t"
    whole = column("2024-01-01", 20, "D", "%Y-%m-%d")
    assert find_dates({"t": text, "u": whole}, ["t", "u"]) == "u"
    text[:9] = wrong
    assert find_dates({"t": text}, ["t"]) is None


def test_only_dates_with_a_year_look_like_dates():
    assert looks_like_dates(pd.Series(["2024-01-01", "2024-01-02"]))
    assert not looks_like_dates(pd.Series(["1-01", "1-02"]))
    assert not looks_like_dates(pd.Series(["room 2024 x", "room 2025 y"]))
    assert not looks_like_dates(pd.Series(["2023", "2024"]))
