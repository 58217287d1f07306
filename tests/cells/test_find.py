"""Cells by name: those of the zoo, and those of a user's own file."""

import sys

import pytest

from refrain import cells
from refrain.cells.find import find_cell, run_file
from refrain.errors import CellError

MINE = """
import refrain
from dataclasses import dataclass
from refrain.cells import gru
from refrain.functions import sigmoid, tanh
from names_beside import ADDED

print("read")

@dataclass
class Setting:
    x: "int" = 1

@refrain.cell(state="h")
def mine(x, h_prev, W, U, b, *, activation=tanh):
    return activation(x @ W + h_prev @ U + b) + ADDED

alias = mine
small = mine(3)

if __name__ == "__main__":
    raise SystemExit("trained for hours")
"""


@pytest.fixture
def write(tmp_path):
    (tmp_path / "names_beside.py").write_text("ADDED = 0.5\n")

    def written(text, name="my_cells.py"):
        file = tmp_path / name
        file.write_text(text)
        return file

    yield written
    sys.modules.pop("names_beside", None)


def test_a_cell_of_the_zoo():
    assert find_cell("lstm") is cells.lstm


def test_a_cell_of_a_file(write, capsys):
    file, path, modules = write(MINE), list(sys.path), set(sys.modules)
    cell = find_cell(f"{file}:mine")
    assert cell.name == "mine"
    assert cell.graph(activation="relu") is not cell.graph()
    assert find_cell(f"{file}:gru") is cells.gru
    assert sys.path == path
    added = set(sys.modules) - modules
    assert not {name for name in added if "my_cells" in name}
    assert capsys.readouterr() == ("", "read\nread\n")
    assert not list((file.parent / "__pycache__").glob("my_cells*"))


def test_the_cells_that_a_file_defines(write):
    found = run_file(write(MINE))
    assert set(found.cells) == {"gru", "mine", "alias"}
    assert set(found.own) == {"mine", "alias"}
    assert found.fault is None


def test_a_file_is_read_anew(write):
    file = write(MINE)
    first = find_cell(f"{file}:mine")
    write(MINE.replace("0.5", "1.5").replace("+ ADDED", "- ADDED"))
    assert "- 0.5" in find_cell(f"{file}:mine").latex() != first.latex()


WRONG_STATE = """
from refrain.cells import cell, gru
@cell(state="h")
def good(x, h_prev, W): return x @ W + h_prev
@cell(state="h")
def bad(x, h_prev, W): return x + h_prev
"""
FAULTS = {
    "an exception": ("a = 1\nb = a / 0\n", r"my_cells.py:2: ZeroDivisionError: div"),
    "its own end": ("import sys\nsys.exit(3)\n", r"my_cells.py:2: SystemExit: 3"),
    "no Python": ("a = 1\ndef (:\n", r"my_cells.py:2: SyntaxError: invalid syntax"),
    "a module that is not there": ("import nope_x", r"my_cells.py:1: ModuleNotFound"),
    "a mistake in equations": (WRONG_STATE, r"bad: cannot combine(.|\n)*my_cells.py:6"),
    "a declaration": (
        "from refrain.cells import cell\ncell(state=())(lambda x: x)\n",
        r"my_cells.py:2: <lambda>: expected at least one state",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_ends_a_file_is_told_with_its_line(name, write):
    text, message = FAULTS[name]
    with pytest.raises(CellError, match=message):
        find_cell(f"{write(text)}:gru")


def test_cells_before_a_fault_are_known(write):
    found = run_file(write(WRONG_STATE))
    assert set(found.own) == {"good"}
    assert "bad: cannot combine" in str(found.fault)


def test_what_is_no_cell(write):
    file = write(MINE)
    for name, message in {
        "lsmt": r"unknown cell 'lsmt'; did you mean lstm\?",
        "?": "`refrain cells` lists all",
        f"{file}:mini": r"my_cells.py: unknown cell 'mini'; did you mean mine\?",
        f"{file}:small": "unknown cell 'small'; `refrain check .*` lists all",
        f"{file}": "expected the name of a cell: .*my_cells.py:mine",
        f"{file}:": "expected the name of a cell",
        f"{file.parent}/none.py:x": "none.py: no such file",
        f"{write('a = 1', 'empty.py')}": "expected the name of a cell: it has none",
    }.items():
        with pytest.raises(CellError, match=message):
            find_cell(name)
