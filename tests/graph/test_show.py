"""The text form of graphs, as golden files to be reviewed like code."""

import pytest

from refrain import cells
from refrain.derive.reverse import reverse
from refrain.derive.simplify import simplify
from refrain.graph.graph import Graph, leaf
from refrain.graph.node import building
from refrain.graph.show import show
from tests.randoms import sized_cell

CELLS = {
    **{make.name: sized_cell(make, 4) for make in cells.ALL},
    "gru_reset_before": cells.gru(4, reset_after=False),
}


@pytest.mark.parametrize("name", CELLS)
def test_show(name, golden):
    golden(show(CELLS[name].graph))


def test_show_gradient_of_simple_rnn(golden):
    golden(show(reverse(cells.simple_rnn(4).graph)))


def test_show_simplified_gradient_of_simple_rnn(golden):
    golden(show(simplify(reverse(cells.simple_rnn(4, use_bias=False).graph))))


def test_text_does_not_depend_on_the_number_of_units():
    assert show(cells.lstm(4).graph) == show(cells.lstm(400).graph)


def test_constants_are_shown_exactly():
    with building():
        h = leaf("h_prev", ("units",))
        graph = Graph("constants", {"h_prev": h}, {"h": h * 0.1 + 1e-05})
    assert "h_prev * 0.1" in show(graph)
    assert "+ 1e-05" in show(graph)
