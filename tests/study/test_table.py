import io
import math

import pytest
from rich.console import Console

from refrain.study.table import figure, make_table, table_width
from tests.study.comparisons import comparison

BEST = "\x1b[1;32m"


def rendered(found, width=200, colours=True):
    table = make_table(found)
    system = "standard" if colours else None
    file = io.StringIO()
    console = Console(
        file=file, width=width, force_terminal=colours, color_system=system
    )
    console.print(table)
    return file.getvalue()


def row(text, name):
    return next(line for line in text.splitlines() if line.lstrip().startswith(name))


def test_the_lowest_of_each_error_is_marked():
    errors = {"gru": {"mae": 0.25, "mase": 3.0}, "lstm": {"mae": 0.5, "mase": 0.125}}
    text = rendered(comparison(("gru", "GRU"), ("lstm", "LSTM"), errors=errors))
    assert f"{BEST}0.250" in row(text, "GRU")
    assert f"{BEST}0.125" in row(text, "LSTM")
    assert text.count(BEST) == 2


def test_equals_are_all_marked():
    errors = {key: {"mae": 0.5, "mase": 0.25} for key in ("gru", "lstm")}
    text = rendered(comparison(("gru", "GRU"), ("lstm", "LSTM"), errors=errors))
    assert text.count(BEST) == 4


def test_an_error_that_is_not_defined_is_a_dash_and_never_best():
    errors = {"gru": {"mae": math.nan, "mase": math.nan}}
    text = rendered(comparison(("gru", "GRU"), errors=errors))
    assert row(text, "GRU").split()[1:3] == ["–", "–"]
    assert BEST not in row(text, "GRU")
    assert f"{BEST}2.000" in row(text, "naive")


def test_costs_are_those_of_the_network_and_a_baseline_has_none():
    text = rendered(comparison(("gru", "GRU")), colours=False)
    assert row(text, "GRU").split()[3:] == ["1.5", "3", "1,580", "2", "2.9"]
    assert row(text, "naive").split()[3:] == ["–"] * 5


def test_the_width_that_the_table_asks_for_shows_all_of_it():
    found = comparison(("gru", "GRU"), ("bilstm", "BiLSTM"))
    width = table_width(make_table(found))
    assert "…" not in rendered(found, width, colours=False)
    assert "…" in rendered(found, width - 8, colours=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.000"),
        (0.0123456, "0.012"),
        (0.123456, "0.123"),
        (1.23456, "1.235"),
        (12.3456, "12.35"),
        (123.456, "123.5"),
        (12345.6, "12346"),
        (0.000123456, "1.23e-04"),
        (1234567.0, "1.23e+06"),
        (math.nan, "–"),
        (math.inf, "–"),
    ],
)
def test_a_figure_has_about_four_digits(value, text):
    assert figure(value) == text
