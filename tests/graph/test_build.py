"""How nodes are made: shared, shaped, and marked with the line they come from."""

import inspect

import pytest

from refrain import cells
from refrain.cells import cell, vector
from refrain.errors import CellError
from refrain.functions import sigmoid, tanh, where
from refrain.graph.graph import constant, leaf, ordered, rewrite
from refrain.graph.node import BOOL, REAL, building
from refrain.graph.ops import OPS, op


@cell(state="h", gates=("a", "d"), p=vector())
def sample(x, h_prev, W, U, b, p):
    a = sigmoid(x @ W.a + h_prev @ U.a + b.a)
    d = tanh(x @ W.d + b.d)
    return where(a > d, a * p, d)


def test_equal_expressions_of_one_trace_are_one_node():
    with building():
        x = leaf("x", ("features",))
        assert x + 1.0 is x + 1.0
        assert tanh(x) * 2 is tanh(x) * 2.0
        assert x + 1.0 is not 1.0 + x


def test_traces_share_no_node():
    first, second = sample(3).graph, cells.lstm(3).graph
    assert not set(first.nodes()) & set(second.nodes())


def test_same_options_share_one_graph():
    assert cells.gru(3).graph is cells.gru(9).graph
    assert cells.gru(3).graph is not cells.gru(3, reset_after=False).graph


def test_building_can_share_nodes_of_a_graph():
    graph = sample(2).graph
    product = next(n for n in graph.nodes() if n.op is OPS["matmul"])
    with building(tuple(graph.nodes())):
        assert product.inputs[0] @ product.inputs[1] is product


@pytest.mark.parametrize(
    ("expression", "shape"),
    [
        (lambda x, v, m: x @ m, ("units",)),
        (lambda x, v, m: v * 2.0, ("units",)),
        (lambda x, v, m: v / v, ("units",)),
        (lambda x, v, m: op("mean", v), ()),
        (lambda x, v, m: op("broadcast", op("sum", v), v), ("units",)),
        (lambda x, v, m: op("max", x) + v, ("units",)),
        (lambda x, v, m: op("outer", x, v), ("features", "units")),
        (lambda x, v, m: op("matmul_transposed", v, m), ("features",)),
        (lambda x, v, m: constant(3.0) * constant(2.0), ()),
        (lambda x, v, m: -x, ("features",)),
        (lambda x, v, m: 1 - v**2, ("units",)),
        (lambda x, v, m: abs(v), ("units",)),
    ],
)
def test_shape_follows_from_the_operands(expression, shape):
    with building():
        x, v = leaf("x", ("features",)), leaf("v", ("units",))
        m = leaf("m", ("features", "units"))
        assert expression(x, v, m).shape == shape


def test_comparisons_are_truth_values():
    with building():
        x = leaf("x", ("units",))
        assert (x > 0.0).dtype == BOOL
        assert (x < 0.0).inputs == (constant(0.0), x)
        assert where(x > 0.0, x, 1.0).dtype == REAL


def test_nodes_remember_the_line_of_their_equation():
    lines, first = inspect.getsourcelines(sample.equations)
    expected = {
        "sigmoid": next(k for k, line in enumerate(lines) if "a = " in line),
        "tanh": next(k for k, line in enumerate(lines) if "d = " in line),
        "where": next(k for k, line in enumerate(lines) if "return" in line),
    }
    found = {
        n.op.name: n.origin.line - first
        for n in sample(2).graph.nodes()
        if n.op.name in expected
    }
    assert found == expected
    assert all(n.origin.file == __file__ for n in sample(2).graph.nodes())


def test_a_line_is_quoted_with_its_file():
    node = next(n for n in sample(2).graph.nodes() if n.op.name == "tanh")
    text = "d = tanh(x @ W.d + b.d)"
    assert node.origin.quote() == f"  test_build.py:{node.origin.line}: {text}"


def test_operands_come_before_their_users():
    seen = set()
    for node in sample(2).graph.nodes():
        assert seen.issuperset(node.inputs)
        seen.add(node)


def test_nothing_behind_a_stop_is_listed():
    graph = cells.lstm(2).graph
    c = graph.results["c"]
    nodes = ordered([graph.results["h"]], stop={c})
    assert c in nodes
    assert graph.leaves["c_prev"] not in nodes


def test_depending_finds_what_the_input_reaches():
    graph = sample(2).graph
    found = graph.depending({"h_prev"})
    assert graph.results["h"] in found
    assert not any(n.op.name == "tanh" for n in found)


def test_a_rule_that_changes_nothing_keeps_the_graph():
    graph = cells.gru(2).graph
    same = rewrite(graph, lambda node, operands: None)
    assert same.nodes() == graph.nodes()
    assert same.results == graph.results


def test_a_replacement_keeps_the_line_of_what_it_replaces():
    graph = sample(2).graph
    tanh_node = next(n for n in graph.nodes() if n.op.name == "tanh")

    def rule(node, operands):
        return sigmoid(*operands) if node is tanh_node else None

    made = rewrite(graph, rule)
    assert not any(n.op.name == "tanh" for n in made.nodes())
    lines = [n.origin.line for n in made.nodes() if n.op.name == "sigmoid"]
    assert tanh_node.origin.line in lines


def test_equations_are_read_inside_a_cell_only():
    node = cells.lstm(2).graph.leaves["h_prev"]
    with pytest.raises(CellError, match="read outside a cell"):
        node + 1.0


def test_describing_a_deep_expression_is_short():
    with building():
        node = leaf("x", ("units",))
        for _ in range(200):
            node = node * node
        assert len(node.describe()) <= 60
        assert repr(node).endswith(": (units)>")
