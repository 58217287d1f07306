import json
import math

import pytest

from refrain import cells
from refrain.cells.cost import formula, number, parameters, pointwise, products
from refrain.cli.zoo import source_of

SIZES = {"features": 3, "units": 5}


@pytest.mark.parametrize("cell", cells.ALL, ids=lambda c: c.name)
def test_parameters_are_those_of_the_variables(cell):
    sizes = {**SIZES, **{name: 7 + k for k, name in enumerate(cell.sizes[1:])}}
    expected = sum(math.prod(v.shape) for v in cell.variables(sizes))
    assert number(parameters(cell), sizes) == expected


@pytest.mark.parametrize("cell", cells.ALL, ids=lambda c: c.name)
def test_formulas_are_the_numbers(cell):
    values = {"f": 3, "u": 5} | {n: 7 + k for k, n in enumerate(cell.sizes[1:])}
    sizes = {**SIZES, **values}
    graph = cell.graph()
    for counts in (parameters(cell), products(graph), pointwise(graph)):
        assert evaluated(formula(counts), values) == number(counts, sizes)


def evaluated(formula: str, values: dict[str, int]) -> int:
    """What a formula of sums of products, with one factor before all, comes to."""
    factor, opened, inside = formula.partition("(")
    if not opened:
        factor, inside = "1", formula
    total = sum(product(term, values) for term in inside.rstrip(")").split(" + "))
    return product(factor.rstrip("·"), values) * total


def product(term: str, values: dict[str, int]) -> int:
    found = 1
    for letter in term.split("·"):
        if letter.isdecimal():
            found *= int(letter)
        else:
            found *= values[letter.rstrip("²")] ** (2 if letter.endswith("²") else 1)
    return found


def test_a_product_that_a_cell_makes_twice_is_counted_once():
    assert formula(products(cells.fast_grnn.graph())) == "f·u + u²"


def test_pointwise_operations_are_those_of_the_equations():
    """Of an LSTM: two sums a gate, five functions, three for c and one for h."""
    assert formula(pointwise(cells.lstm.graph())) == "17·u"
    assert formula(pointwise(cells.scrn.graph())) == "3·context + 5·u"
    assert formula(pointwise(cells.fast_rnn.graph())) == "2·(1 + 3·u)"  # two scalars


@pytest.mark.parametrize("cell", cells.ALL, ids=lambda c: c.name)
def test_every_cell_has_a_source_and_a_year(cell):
    source, year = source_of(cell)
    assert source.endswith(f" {year}")
    assert year is not None
    assert 1986 <= year <= 2026


def test_the_list_has_every_cell(refrain):
    ended = refrain("cells", "--json", "--features", 3, "--units", 5)
    assert ended.code == 0
    rows = {row["name"]: row for row in json.loads(ended.out)}
    assert list(rows) == [cell.name for cell in cells.ALL]
    assert rows["lstm"] == {
        "name": "lstm",
        "year": 2000,
        "states": ["h", "c"],
        "gates": ["i", "f", "g", "o"],
        "parameters": 180,
        "multiply_adds": 160,
        "linear": False,
        "source": "Gers, Schmidhuber, Cummins 2000",
    }
    linear = {name for name, row in rows.items() if row["linear"]}
    assert linear == {"qrnn", "min_gru", "min_lstm", "lru", "rg_lru"}
    table = refrain("cells").out.splitlines()
    assert [line.split()[0] for line in table] == ["name", *rows]


def test_a_cell_is_shown_with_its_formulas(refrain):
    shown = refrain("show", "lstm", "--features", 3, "--units", 5).out
    assert "c = f * c_prev + i * g\n" in shown
    assert "parameters: 4·(f·u + u² + u) = 180\n" in shown
    assert "multiply-adds: 4·(f·u + u²) = 160\n" in shown
    assert "pointwise: 17·u = 85\n" in shown


def test_other_sizes_of_a_cell_may_be_given(refrain):
    given = ("--features", 3, "--units", 5, "--size", "context=2")
    shown = refrain("show", "scrn", "--plan", *given).out
    assert "multiply-adds: f·context + 2·context·u + f·u + 2·u² = 91\n" in shown
    assert "  states: u + context numbers a sample = 28 bytes\n" in shown
    assert "\nfor f = 3 features, u = 5 units, context = 2\n" in shown
    assert "  in  context_kernel: shared 6\n" in shown


def test_memory_is_told(refrain):
    shown = refrain("show", "lstm", "--features", 3, "--units", 5).out
    assert "  weights: 4·(f·u + u² + u) numbers = 720 bytes\n" in shown
    assert "  states: 2·u numbers a sample = 40 bytes\n" in shown
    assert "  tape of training: 6·u numbers a sample and step = 120 bytes\n" in shown


def test_the_equations_alone_as_latex(refrain):
    assert refrain("show", "gru", "--latex").out == cells.gru.latex()


def test_a_cell_of_ones_own_is_shown(refrain, tmp_path):
    file = tmp_path / "my_cells.py"
    file.write_text(
        "from refrain.cells import cell\n"
        '@cell(state="h")\n'
        "def mine(x, h_prev, W): return x @ W - h_prev\n"
    )
    shown = refrain("show", f"{file}:mine", "--units", 5, "--features", 3).out
    assert shown.startswith("h = x @ W - h_prev\n")
    assert "parameters: f·u = 15\n" in shown
    assert "source: -\n" in shown


def test_the_plan_follows(refrain):
    shown = refrain("show", "simple_rnn", "--plan", "--features", 3, "--units", 5).out
    assert "\n\nprogram simple_rnn" in shown


def test_a_diagram_is_written(refrain, tmp_path):
    file = tmp_path / "cell.svg"
    assert refrain("show", "mgu", "--diagram", file).code == 0
    assert file.read_text() == cells.mgu.diagram()


def test_what_cannot_be_shown_is_refused(refused, tmp_path):
    assert "unknown cell 'lsmt'; did you mean lstm?" in refused("show", "lsmt")
    assert "`refrain cells` lists all" in refused("show", "?")
    assert "ends in .svg or .png" in refused("show", "gru", "--diagram", tmp_path / "a")
    assert "Missing argument" in refused("show")
    told = "scrn: --size contxt=4: expected context=N"
    assert told in refused("show", "scrn", "--size", "contxt=4")
    assert "--size context=0" in refused("show", "scrn", "--size", "context=0")
    assert "expected none but --units" in refused("show", "gru", "--size", "a=1")
    assert "--units" in refused("cells", "--units", 0)
