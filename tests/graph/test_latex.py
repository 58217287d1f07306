"""LaTeX of every cell, as golden files, and that it renders."""

import html

import matplotlib.mathtext
import pytest

from refrain import cells
from refrain.graph.latex import symbol
from tests.graph.test_equations import CELLS


@pytest.mark.parametrize("name", CELLS)
def test_latex(name, golden):
    sized = CELLS[name]
    golden(sized.cell.latex(**sized.options))


@pytest.mark.parametrize("name", CELLS)
def test_every_equation_renders(name):
    sized = CELLS[name]
    parser = matplotlib.mathtext.MathTextParser("path")
    first, *rows, last = sized.cell.latex(**sized.options).splitlines()
    assert (first, last) == (r"\begin{aligned}", r"\end{aligned}")
    for row in rows:
        line = row.removesuffix(r" \\").replace(" &= ", " = ", 1)
        assert "&" not in line
        assert parser.parse(f"${line.strip()}$").width > 0


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("f", "f_t"),
        ("b_u", "b_{u,t}"),
        ("c_hat", r"\hat{c}_t"),
        ("a12", "a_{12,t}"),
        ("alpha", r"\alpha_t"),
        ("re", r"\mathrm{re}_t"),
        ("o_gate", r"o_{\mathrm{gate},t}"),
    ],
)
def test_names_become_symbols(name, shown):
    assert symbol(name, "t") == shown


def test_a_notebook_shows_the_picture_and_the_equations():
    picture, _, equations = cells.lstm._repr_html_().partition("$$")
    assert picture.strip() == cells.lstm.diagram().strip()
    assert "&" not in equations.replace("&amp;", "")
    assert html.unescape(equations) == f"\n{cells.lstm.latex()}$$"


def test_a_console_shows_the_equations_as_text():
    shown = cells.mgu._repr_mimebundle_()
    assert set(shown) == {"text/html", "text/plain"}
    assert shown["text/plain"].startswith("<cell mgu>\nf = sigmoid(x @ W.f + ")
