import json
import math
from dataclasses import replace

import pytest

from refrain.compare.record import Entry, Metric, to_json, write_json
from refrain.errors import RefrainError
from refrain.files import plain
from tests.compare.comparisons import comparison, entry, run

FOUND = comparison(("gru", "GRU"), ("lstm", "LSTM"))
NAN = math.nan


def parsed(text):
    """JSON as the standard has it: without NaN and Infinity."""

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_json_holds_every_figure():
    record = parsed(to_json(FOUND))
    assert record.pop("schema") == 2
    assert record == json.loads(json.dumps(plain(FOUND)))
    gru = record["entries"][1]
    assert gru["runs"][0]["scores"] == {"MASE": 0.5, "MAE": 1.0}
    assert gru["runs"][0]["training"]["validation_loss"] == [0.9, 0.5, 0.7]
    assert gru["network"]["latency"]["p99_us"] == 4.0
    assert record["command"] == "refrain compare größe.csv"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_becomes_null(value):
    changed = replace(FOUND.entries[0], fixed={"MASE": value, "MAE": 1.0})
    record = parsed(
        to_json(replace(FOUND, entries=(changed,), facts={"scale": [value]}))
    )
    assert record["entries"][0]["fixed"] == {"MASE": None, "MAE": 1.0}
    assert record["facts"] == {"scale": [None]}


def test_a_value_that_was_not_observed_is_null_in_json():
    truth = [1.0, None, 3.0, 2.0, 1.0, 2.0]
    record = parsed(to_json(comparison(("gru", "GRU"), truth=truth)))
    assert record["exhibit"]["truth"] == truth


def test_the_file_is_utf8_text_with_names_as_they_are_written(tmp_path):
    write_json(FOUND, tmp_path / "found.json")
    text = (tmp_path / "found.json").read_bytes().decode("utf-8")
    assert "größe.csv" in text
    assert parsed(text) == parsed(to_json(FOUND))


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(RefrainError, match=r"cannot write .*gone.*No such file"):
        write_json(FOUND, tmp_path / "gone" / "found.json")


def test_mean_and_spread_are_those_of_the_seeds():
    gru = entry("gru", "GRU", [1.0, 2.0, 6.0])
    assert gru.mean("MASE") == 3.0
    assert gru.spread("MASE") == pytest.approx(math.sqrt(7))
    assert gru.mean("MAE") == 6.0


def test_a_seed_without_a_value_does_not_count():
    gru = entry("gru", "GRU", [1.0, NAN, 2.0])
    assert (gru.mean("MASE"), gru.values("MASE")) == (1.5, [1.0, 2.0])
    assert math.isnan(entry("gru", "GRU", [NAN]).mean("MASE"))
    assert math.isnan(entry("gru", "GRU", [1.0]).spread("MASE"))


def test_training_is_told_by_its_median():
    runs = tuple(run(k, losses=(0.5,) * n, MASE=1.0) for k, n in enumerate((3, 9, 4)))
    assert Entry("gru", "GRU", runs=runs).median("epochs") == 4


def test_the_best_is_that_of_the_metric_and_never_one_without_a_value():
    entries = (
        entry("a", "A", [NAN]),
        entry("b", "B", [2.0]),
        entry("c", "C", [1.0]),
    )
    more = Metric("MASE", "", more=True)
    assert FOUND.best(FOUND.metrics[0], entries).key == "c"
    assert FOUND.best(more, entries).key == "b"
    assert FOUND.best(more, entries[:1]) is None
