"""`parse` reads what `show` writes, and refuses everything else."""

import pytest
from hypothesis import given, settings

from refrain import cells
from refrain.cells.mgu import mgu
from refrain.derive.reverse import reverse
from refrain.derive.simplify import simplify
from refrain.errors import CellError
from refrain.graph.dropout import with_dropout
from refrain.graph.evaluate import evaluate
from refrain.graph.masking import hold_output, with_mask
from refrain.graph.parse import MOST_DEEP, parse
from refrain.graph.show import show
from refrain.graph.verify import verify
from tests.graph.test_properties import graphs, random_values

MASKS = {"dropout", "recurrent_dropout"}


@pytest.mark.parametrize("cell", cells.ALL, ids=lambda c: c.name)
def test_every_cell_and_what_becomes_of_it_is_read_back(cell):
    graph = cell.graph()
    for made in (
        graph,
        with_dropout(graph, MASKS),
        hold_output(with_mask(graph, tuple(cell.states), zero_output=False)),
        reverse(graph),
        simplify(reverse(graph)),
    ):
        found = parse(show(made))
        assert show(verify(found)) == show(made)
        assert [n.op for n in found.nodes()] == [n.op for n in made.nodes()]
        assert [n.shape for n in found.nodes()] == [n.shape for n in made.nodes()]


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_what_is_read_back_computes_the_same(graph):
    values = random_values(1)
    found = evaluate(parse(show(graph)), values)["output"]
    assert (found == evaluate(graph, values)["output"]).all()


TEXT = show(mgu.graph())
ONE = "graph one\n  h_prev: (units,)\n  %0 = {}: (units,)\n  -> output = %0\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected equations as `graph <name>`"),
        (TEXT.replace("tanh(", "system("), "unknown primitive system"),
        (TEXT.replace("tanh(", "leaf("), "unknown primitive leaf"),
        (TEXT.replace("  x: (features,)\n", ""), "x is neither known nor a number"),
        (TEXT.replace("b.f: (units,)", "b.f: (features,)"), "cannot combine"),
        (TEXT.replace("  b.f: (units,)", "  b.f: (units,)\n" * 2), "there twice"),
        (TEXT.rstrip("\n").rpartition("\n")[0], "not as refrain writes them"),
        (TEXT.replace("  %0", " %0"), "expected a leaf, a value or a result"),
        (TEXT + "\n", "expected a leaf, a value or a result"),
        (ONE.format("h_prev * 1e99"), "1e99 is too large for float32"),
        (ONE.format("h_prev * 1" + "0" * 99), "is neither known nor a number"),
        (ONE.format("h_prev * 1.00"), "not as refrain writes them"),
        (ONE.format("h_prev * nan"), "nan is neither known nor a number"),
        (ONE.format("tanh(h_prev, h_prev)"), r"tanh takes 1 operand\(s\), received 2"),
        (ONE.format("h_prev.__class__"), "expected a primitive of operands"),
        ("graph " + "a" * (1 << 18), "expected 262,144 at most"),
        ("graph a\n" + "\n" * 5000, "expected 4,000 at most"),
    ],
)
def test_other_texts_are_refused(text, message):
    with pytest.raises(CellError, match=message):
        parse(text)


def test_what_is_nested_too_deep_is_refused():
    lines = ["graph deep", "  h_prev: (units,)", "  %0 = tanh(h_prev): (units,)"]
    lines += [f"  %{k + 1} = tanh(%{k}): (units,)" for k in range(MOST_DEEP)]
    lines += [f"  -> output = %{MOST_DEEP}", ""]
    with pytest.raises(CellError, match="nested more than 200 deep"):
        parse("\n".join(lines))
    del lines[-3]
    lines[-2] = f"  -> output = %{MOST_DEEP - 1}"
    assert parse("\n".join(lines)).results


def test_a_mistake_is_quoted_with_its_line():
    with pytest.raises(CellError, match=r"line 3 of the equations:   %0 = tnh\(h_prev"):
        parse(ONE.format("tnh(h_prev)"))
