"""Facts that pages state, checked against the code that they are about."""

import re
from pathlib import Path

import pytest
import typer

import refrain
from refrain import cells, errors
from refrain.cli.app import app
from refrain.emit.llvm import vector_math
from refrain.emit.llvm.pointwise import RULES
from refrain.graph import functions
from tests.docs.pages import ROOT, blocks
from tests.test_architecture import MAY_IMPORT, THIRD_PARTY

SRC = Path(refrain.__file__).parent
DOCS = {file.stem: file.read_text() for file in (ROOT / "docs").glob("*.md")}
COMMANDS = typer.main.get_command(app).commands


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_the_tour_names_every_module(package):
    section = re.search(rf"^## {package}\b.*?(?=^## )", DOCS["tour"], re.M | re.S)
    assert section, f"docs/tour.md has no section on {package}"
    modules = {f.name for f in (SRC / package).rglob("*.py")} - {"__init__.py"}
    missing = {name for name in modules if f"`{name}`" not in section[0]}
    assert not missing, f"{package}: tell in docs/tour.md what they are for"


def test_the_tour_tells_the_rules_of_imports():
    rows = re.findall(r"^\| (\w+) \| (.*?) ?\| (.*?) ?\|$", DOCS["tour"], re.M)
    told = {name: (names(inner), names(outer)) for name, inner, outer in rows}
    for package, allowed in MAY_IMPORT.items():
        inner, outer = told[package]
        assert inner == allowed
        if package != "bridge":  # each file the library it is named after
            assert outer == THIRD_PARTY.get(package, set())


def names(cell: str) -> set[str]:
    return set(re.findall(r"\w+", cell))


def test_the_page_of_cells_names_every_function():
    missing = {f for f in functions.__all__ if f"`{f}`" not in DOCS["cells"]}
    assert not missing


def test_the_page_of_cells_names_every_error():
    known = {name for name in vars(errors) if name.endswith("Error")}
    assert not {name for name in known if f"`{name}`" not in DOCS["cells"]}


def test_the_page_of_the_zoo_tells_every_cell_and_its_year():
    rows = re.findall(r"^\| (`cells\..*?`) \| (\d{4}) \|", DOCS["zoo"], re.M)
    told = {n: year for row, year in rows for n in re.findall(r"cells\.(\w+)", row)}
    sources = {
        c.name: re.search(r"Source: .*?(\d{4})", doc(c), re.S) for c in cells.ALL
    }
    assert told == {name: source and source[1] for name, source in sources.items()}


def test_the_page_of_the_zoo_tells_of_every_cell_whether_it_learns():
    section = DOCS["zoo"].partition("## Do they learn?")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (?:not in )?\d+ \| (.*) \|$", section, re.M)
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(told) == sorted(cell.name for cell in cells.ALL)


def doc(cell) -> str:
    return cell.__doc__ or ""


def test_the_page_of_compare_names_every_option():
    options = {o for p in COMMANDS["compare"].params for o in p.opts if o[:2] == "--"}
    assert not {o for o in options - {"--help"} if f"`{o}" not in DOCS["compare"]}


def test_every_command_is_told():
    told = "".join(DOCS.values())
    assert not {name for name in COMMANDS if f"`refrain {name}" not in told}


def test_every_setting_of_the_environment_is_told():
    code = "".join(file.read_text() for file in SRC.rglob("*.py"))
    settings = set(re.findall(r"REFRAIN_[A-Z_]+", code))
    assert settings
    assert not {s for s in settings if f"`{s}" not in DOCS["layers"]}


def test_the_plan_on_the_page_of_kernels_is_the_golden_one():
    golden = (ROOT / "tests" / "golden" / "plan-simple_rnn.txt").read_text()
    shown = [b.text for b in blocks(ROOT / "docs" / "kernels.md")]
    plans = [text for text in shown if text.startswith("program ")]
    assert plans
    assert all(text in golden for text in plans)


def test_the_errors_of_functions_are_those_that_their_docstrings_state():
    rows = r"^\| `(\w+)` \| ([\d.]+) \| ([\d.]+) \|"
    told = {name: errors for name, *errors in re.findall(rows, DOCS["kernels"], re.M)}
    stated = {}
    for name, function in vars(vector_math).items():
        found = re.search(r"([\d.]+) / ([\d.]+) ulp", function.__doc__ or "")
        if found and name in RULES:
            stated[name] = list(found.groups())
    assert stated
    assert told == stated
