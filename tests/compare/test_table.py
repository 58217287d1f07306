import math
from dataclasses import replace

import pytest

from refrain.compare.table import costs, figure, quality, score, short
from tests.compare.comparisons import classes, comparison, entry, network


def row(figures, name):
    return next(row for row in figures.rows if row[0] == name)


def best(figures):
    return {figures.rows[row][0] for row, _ in figures.best}


def test_the_lowest_of_each_error_is_marked():
    found = comparison(("gru", "GRU"), ("lstm", "LSTM"))
    assert best(quality(found)) == {"GRU"}
    assert quality(found).best == {(1, 1), (1, 2)}
    found = comparison(("gru", "GRU"), values={"gru": [3.0]})
    assert best(quality(found)) == {"naive"}


def test_the_highest_is_marked_where_more_is_better():
    assert best(quality(classes(("gru", "GRU"), ("lstm", "LSTM")))) == {"LSTM"}


def test_equals_are_all_marked():
    values = {"gru": [0.5], "lstm": [0.5]}
    found = comparison(("gru", "GRU"), ("lstm", "LSTM"), values=values)
    assert best(quality(found)) == {"GRU", "LSTM"}


def test_a_score_that_is_not_defined_is_a_dash_and_never_best():
    figures = quality(comparison(("gru", "GRU"), values={"gru": [math.nan]}))
    assert row(figures, "GRU")[1] == "–"
    assert best(figures) == {"naive"}


def test_a_score_has_its_spread_in_the_places_of_its_mean():
    assert score(entry("gru", "GRU", [1.0, 2.0, 6.0]), "MASE") == "3.000 ± 2.646"
    assert score(entry("gru", "GRU", [100.0, 200.0]), "MASE") == "150.0 ± 70.7"
    assert score(entry("gru", "GRU", [1e-5, 3e-5]), "MASE") == "2.00e-05 ± 1.41e-05"
    assert score(entry("gru", "GRU", [1.25]), "MASE") == "1.250"


def test_what_training_took_is_told_and_a_baseline_has_none():
    figures = quality(comparison(("gru", "GRU")))
    assert row(figures, "GRU")[3:] == ["1.5", "3", "480 k"]
    assert row(figures, "naive")[3:] == ["–"] * 3
    assert figures.last_baseline == 0


def test_costs_are_those_of_the_networks():
    figures = costs(comparison(("gru", "GRU")))
    (only,) = figures.rows
    assert only == ["GRU", "1,580", "2", "1,000", "2.5 MB", "2.9", "4.0", "250 k"]


def test_a_network_that_cannot_stream_has_a_star_that_is_explained():
    both = network(directions=2, way="window", p99_us=2500.0, memory_bytes=None)
    entries = (entry("bilstm", "BiLSTM", [0.5], cost=both),)
    figures = costs(replace(comparison(), entries=entries))
    assert figures.rows[0][2:] == ["2×2", "1,000", "–", "2.9*", "2,500*", "400"]
    assert any(note.startswith("*:") for note in figures.notes)
    assert not any(n.startswith("*:") for n in costs(comparison(("gru", "G"))).notes)


def test_a_network_without_measured_costs_has_dashes():
    entries = (replace(entry("gru", "GRU", [0.5]), network=None),)
    assert costs(replace(comparison(), entries=entries)).rows == [["GRU", *"–––––––"]]


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


@pytest.mark.parametrize(
    ("value", "text"),
    [(7.3, "7"), (940, "940"), (1234, "1.2 k"), (48_123, "48 k"), (3.21e6, "3.2 M")],
)
def test_a_rate_is_short(value, text):
    assert short(value) == text
