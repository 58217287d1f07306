"""Who still learns at which length: in words, as a table, in the report."""

import math
import re
from dataclasses import replace

import pytest

from refrain.compare.findings import findings
from refrain.compare.lengths import by_length, faults, reach, read_lengths, who_learns
from refrain.compare.report import report
from refrain.errors import DataError
from refrain.report.page import page_html
from refrain.study.candidates import find_candidates
from tests.compare.comparisons import comparison, entry

ERRORS = {
    10: {"gru": [0.001, 0.002], "rnn": [0.004, 0.005], "own": [0.2, 0.2]},
    20: {"gru": [0.002, 0.004], "rnn": [0.009, 0.15], "own": [0.001, 0.001]},
    40: {"gru": [0.003, 0.005], "rnn": [0.16, 0.17], "own": [0.3]},
}
NAMES = (("gru", "GRU"), ("rnn", "simple RNN"), ("own", "own"))


def at(length):
    facts = {"length": length, "solved_below": 0.01, "seeds": [0, 1]}
    made = comparison(*NAMES, values=ERRORS[length], task="probe", facts=facts)
    if length < 40:
        return made
    lost = ("seed 1: training diverged",)
    return replace(
        made,
        entries=tuple(
            replace(e, faults=lost) if e.key == "own" else e for e in made.entries
        ),
    )


@pytest.fixture
def found():
    return replace(at(40), shorter=(at(10), at(20)))


def test_the_table_says_who_solved_it_from_how_many_seeds(found):
    figures = by_length(found)
    assert figures.heads == ("MASE at length", "10", "20", "40")
    rows = {row[0]: row[1:] for row in figures.rows}
    assert rows["GRU"] == ["0.002 ± 0.001 ✓", "0.003 ± 0.001 ✓", "0.004 ± 0.001 ✓"]
    assert [cell.split(" ", 3)[3:] for cell in rows["simple RNN"]] == [
        ["✓"],
        ["(1 of 2)"],
        [],
    ]
    assert rows["own"][2] == "0.300"
    assert rows["naive"] == ["1.000"] * 3
    assert rows["solved below"] == ["0.010"] * 3
    assert figures.last_baseline == 0


def test_a_network_reaches_as_far_as_all_its_seeds_solve_every_length(found):
    assert [reach(found, key) for key, _ in NAMES] == [40, 10, 0]
    assert who_learns(found) == (
        "GRU: solved up to length 40. Simple RNN: solved up to length 10. "
        "Own: not solved at length 10."
    )


def test_it_is_a_row_of_the_textbooks_table(found):
    row = findings(found)[-1]
    assert row.aspect == "Learns over"
    assert row.cells == ("length 40", "length 10", "none of the lengths")
    assert row.says.startswith("GRU: solved up to length 40.")
    assert [f.aspect for f in findings(at(40))] == [
        f.aspect for f in findings(found)[:-1]
    ]


def test_faults_tell_their_length(found):
    assert faults(found) == ["own failed at length 40: seed 1: training diverged"]
    assert faults(at(40)) == ["own failed: seed 1: training diverged"]


def test_the_report_draws_the_curve(found):
    html = page_html(report(found, find_candidates("gru,rnn")))
    titles = re.findall(r"<h2>(.*?)</h2>", html)
    assert titles[1] == "Who still learns at which length"
    assert "MASE of every network by length" in html
    assert "0.003 ± 0.001 ✓" in html
    assert "which length" not in page_html(report(at(40), find_candidates("gru,rnn")))


def test_a_network_that_failed_at_a_length_is_drawn_at_the_others(found):
    lost = replace(entry("gru", "GRU", []), faults=("seed 0: it died",))
    short = replace(
        found.shorter[0],
        entries=tuple(lost if e.key == "gru" else e for e in found.shorter[0].entries),
    )
    found = replace(found, shorter=(short, found.shorter[1]))
    assert math.isnan(short.entries[1].mean("MASE"))
    assert by_length(found).rows[1][1] == "–"
    assert "MASE of every network by length" in page_html(
        report(found, find_candidates("gru,rnn"))
    )


def test_lengths_are_read_in_rising_order():
    assert read_lengths("200, 25,50,25") == (25, 50, 200)
    for text in ("", "a", "25,", "0", "-3", "2.5"):
        with pytest.raises(DataError, match="--lengths: expected whole numbers sep"):
            read_lengths(text)
