"""Facts that pages state, checked against the code that they are about."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import typer

import refrain
from refrain import errors
from refrain.bridge.numpy import call
from refrain.cells import cell
from refrain.cli.app import app
from refrain.graph import functions
from refrain.graph.ops import OPS
from refrain.runtime.driver import Request, kernel_for
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


# -- accuracy of functions -------------------------------------------------------------

RANGES = {  # where results are ordinary numbers, for float32 and float64
    "exp": (87.0, 708.0),
    "expm1": (88.0, 709.0),
    "log": (1e30, 1e300),
    "log1p": (1e30, 1e300),
    "sqrt": (1e30, 1e300),
    "tanh": (20.0, 40.0),
    "sigmoid": (87.0, 708.0),
    "erf": (4.0, 6.0),
    "sin": (1e5, 1e6),
    "cos": (1e5, 1e6),
}
UNITS = 1024


def stated_errors() -> dict[str, tuple[float, float]]:
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \| ([\d.]+) \|", DOCS["kernels"], re.M)
    return {name: (float(single), float(double)) for name, single, double in rows}


def results(name: str, values: np.ndarray) -> np.ndarray:
    """What a kernel makes of values `(samples, UNITS)`."""
    function = getattr(functions, name)

    @cell(state="h")
    def applied(x, h_prev):  # noqa: ARG001
        return function(h_prev)

    kernel = kernel_for(Request(applied(UNITS), 1, str(values.dtype)))
    given = {"x": np.zeros((len(values), 1, 1), values.dtype), "first_h": values}
    return call(kernel.forward, given, len(values), 1, values.dtype)["last_h"]


def test_every_function_that_rounds_has_a_stated_error():
    rounded = {n for n in RANGES if n in OPS}
    assert set(stated_errors()) == rounded


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", RANGES)
def test_functions_are_as_accurate_as_stated(name, dtype, rng):
    wide = dtype == "float64"
    if wide and (name == "erf" or np.finfo(np.longdouble).nmant <= 52):
        pytest.skip("there is nothing more exact to compare with")
    most, count = RANGES[name][wide], 30 * UNITS
    values = np.concatenate(
        [
            rng.uniform(-most, most, count),
            rng.uniform(-2.0, 2.0, count),
            np.exp(rng.uniform(-60.0, math.log(most), count))
            * rng.choice([-1.0, 1.0], count),
        ]
    )
    if name in ("log", "log1p", "sqrt"):
        values = np.abs(values)
    values = values.astype(dtype).reshape(-1, UNITS)
    exact = OPS[name].value(values.astype(np.longdouble if wide else np.float64))
    ulp = np.spacing(np.abs(exact).astype(dtype)).astype(exact.dtype)
    worst = float((np.abs(results(name, values) - exact) / ulp).max())
    assert worst <= stated_errors()[name][wide]
