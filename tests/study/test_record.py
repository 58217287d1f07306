import json
import math
from dataclasses import asdict, replace

import pytest

from refrain.errors import RefrainError
from refrain.study.record import to_json, write_json
from tests.study.comparisons import comparison

FOUND = comparison(("gru", "GRU"), ("lstm", "LSTM"))


def parsed(text):
    """JSON as the standard has it: without NaN and Infinity."""

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_json_holds_every_figure():
    record = parsed(to_json(FOUND))
    assert record.pop("schema") == 1
    # JSON knows lists and no tuples.
    assert record == json.loads(json.dumps(asdict(FOUND)))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_becomes_null(value):
    entry = replace(FOUND.entries[0], errors={"mae": value, "mase": 1.0})
    text = to_json(replace(FOUND, entries=(entry,), facts={"scale": [value]}))
    record = parsed(text)
    assert record["entries"][0]["errors"] == {"mae": None, "mase": 1.0}
    assert record["facts"] == {"scale": [None]}


def test_a_value_that_was_not_observed_is_null_in_json():
    truth = [1.0, None, 3.0, 2.0, 1.0, 2.0]
    record = parsed(to_json(comparison(("gru", "GRU"), truth=truth)))
    assert record["traces"]["truth"] == truth


def test_the_file_is_utf8_text_with_names_as_they_are_written(tmp_path):
    write_json(FOUND, tmp_path / "found.json")
    text = (tmp_path / "found.json").read_bytes().decode("utf-8")
    assert "größe.csv" in text
    assert parsed(text) == parsed(to_json(FOUND))


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(RefrainError, match=r"cannot write .*gone.*No such file"):
        write_json(FOUND, tmp_path / "gone" / "found.json")
