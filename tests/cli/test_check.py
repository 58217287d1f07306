"""`refrain check`: a table, what is wrong, and an exit code that says so."""

import json

import pytest

GOOD = """
import refrain
from refrain.cells import lstm
from refrain.functions import tanh

@refrain.cell(state="h")
def good(x, h_prev, W, U, b):
    return tanh(x @ W + h_prev @ U + b)

print("run")
"""
GROWING = """
@refrain.cell(state="h")
def growing(x, h_prev, W):
    return 2.0 * h_prev + x @ W
"""
WRONG = """
@refrain.cell(state="h")
def wrong(x, h_prev, W):
    return x + h_prev @ W
"""
SIZES = ("--features", 3, "--units", 8)


@pytest.fixture
def write(tmp_path):
    def written(text):
        file = tmp_path / "my_cells.py"
        file.write_text(text)
        return file

    return written


def test_sound_cells(refrain, write):
    code, out, err = refrain("check", write(GOOD), *SIZES)
    assert code == 0
    assert err == "run\n"
    rows = [line.split() for line in out.splitlines() if line.strip()]
    assert rows[0][0] == "cell"
    assert [row[:2] for row in rows[2:]] == [["good", "well"], ["nothing", "wrong"]]


def test_what_is_wrong_is_told(refrain, write):
    code, out, _ = refrain("check", write(GOOD + GROWING + WRONG), *SIZES)
    assert code == 1
    assert "growing  wrong" in out
    assert "growing: in a fresh network a small change of the states grows 2.00" in out
    assert "wrong: cannot multiply h_prev" in out
    assert "  my_cells.py:18: return x + h_prev @ W\n" in out
    assert out.endswith("Cells below that line were not read.\n")


def test_as_json(refrain, write):
    code, out, _ = refrain("check", write(GOOD + GROWING), "--json", *SIZES)
    assert code == 1
    told = json.loads(out)
    assert told["fault"] is None
    assert told["cells"]["good"]["parameters"] == 96
    assert told["cells"]["growing"]["growth"] == pytest.approx(2.0)
    assert len(told["cells"]["growing"]["faults"]) == 2


def test_one_cell_of_a_file(refrain, write):
    file = write(GOOD + GROWING)
    out = refrain("check", f"{file}:good", *SIZES).out
    assert "good" in out
    assert "growing" not in out


def test_what_cannot_be_checked_is_refused(refused, write, tmp_path):
    assert "no such file" in refused("check", tmp_path / "none.py")
    assert "defines no cell" in refused(
        "check", write("from refrain.cells import lstm")
    )
    assert "unknown cell 'nope'" in refused("check", "nope")
