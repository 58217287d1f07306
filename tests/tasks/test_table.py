import numpy as np
import pytest

from refrain.errors import DataError
from refrain.tasks.table import choose_column, choose_target, read_table, to_numbers
from tests.tasks.series import write_csv

UNUSABLE = {
    "": "is empty; expected a line of names",
    "\n1\n": "the first line is empty",
    "a,b\n": "expected rows below the column names",
    "1.5\n2\n": r"first line holds numbers \(1.5\); expected column names",
    "v,v\n1,2\n": "the column name 'v' occurs 2 times",
    "a,b\n1,2\n1,2,3\n": "Expected 2 fields in line 3, saw 3",
    "a,b\n1,2,3\n1,2,3\n": "a row has more fields than the 2 names",
    "a\0b,c\n1,2\n": "expected UTF-8 text",
}


@pytest.mark.parametrize("text", UNUSABLE)
def test_an_unusable_file_is_explained(tmp_path, text):
    with pytest.raises(DataError, match=UNUSABLE[text]):
        read_table(write_csv(tmp_path, text))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv: no such file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match="is a folder; expected a CSV file"):
        read_table(tmp_path)


@pytest.mark.parametrize("text", ["größe\n1\n", "v\n1\n2\ngröße\n"])
def test_other_bytes_than_utf8_are_refused(tmp_path, text):
    file = tmp_path / "latin.csv"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match="expected UTF-8 text, found other bytes"):
        read_table(file)


@pytest.mark.parametrize("separator", list(",;\t|"))
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_any_usual_separator_and_a_byte_order_mark_are_read(tmp_path, separator, mark):
    lines = (("day", "load"), ("a", " 1.5 "), ("b", "2"))
    text = mark + "\n".join(separator.join(line) for line in lines)
    table = read_table(write_csv(tmp_path, text))
    assert list(table) == ["day", "load"]
    assert to_numbers(table["load"], "load").tolist() == [1.5, 2.0]


def test_a_short_row_and_usual_words_are_missing_values(tmp_path):
    text = "a,b\n1,2\n2\n3,NA\n4,nan\n5,NULL\n6,\n7,8\n"
    table = read_table(write_csv(tmp_path, text))
    expected = [2, *[np.nan] * 5, 8]
    np.testing.assert_array_equal(to_numbers(table["b"], "b"), expected)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("high", r"received 'high' in data row 2 \(1 such value\)"),
        ("1,5", "received '1,5' in data row 2"),
        ("inf", "expected finite numbers, received 'inf' in data row 2"),
        ("1e300", "expected finite numbers, received '1e300'"),
    ],
)
def test_a_value_that_is_no_number_is_quoted(tmp_path, value, message):
    table = read_table(write_csv(tmp_path, f"a;b\n1;1\n2;{value}\n3;3\n"))
    with pytest.raises(DataError, match=message):
        to_numbers(table["b"], "b")


def test_the_only_numeric_column_is_the_target(tmp_path):
    table = read_table(write_csv(tmp_path, "place,load\nx,1\ny,2\n"))
    assert choose_target(table) == "load"


def test_a_choice_of_columns_is_left_to_the_user(tmp_path):
    table = read_table(write_csv(tmp_path, "load,price,place\n1,2,x\n"))
    with pytest.raises(DataError, match="several columns are numeric: load, price"):
        choose_target(table)
    with pytest.raises(DataError, match=r"--target: no column 'lod'.*mean 'load'"):
        choose_column(table, "lod", "--target")
    words = read_table(write_csv(tmp_path, "a,b\nx,y\n"))
    with pytest.raises(DataError, match="no column is numeric; the columns are a, b"):
        choose_target(words)
