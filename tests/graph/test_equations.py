"""Equations as text are the equations: read as Python, they compute the same."""

import ast
import operator

import numpy as np
import pytest

from refrain import cells, functions
from refrain.cells import cell, scalar, vector
from refrain.functions import layer_norm, relu, sigmoid, silu, softplus, where
from refrain.graph.equations import text
from refrain.graph.evaluate import evaluate
from refrain.graph.graph import Graph
from refrain.graph.node import building
from tests.randoms import sized_cell

SIZES = {"features": 3, "units": 4}
OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.MatMult: operator.matmul,
}


@cell(
    state=("h", "c"),
    gates=("i", "f"),
    g=vector(gates=("i", "f")),
    s=scalar(),
    p=vector(when="peep"),
)
def odd(x, h_prev, c_prev, W, U, b, g, s, p, *, peep=False):  # noqa: ARG001
    """What the cells of the package have not: signs, brackets, functions, no names."""
    i = sigmoid(layer_norm(x @ W.i + h_prev @ U.i, g.i, b.i))
    c_hat = silu(layer_norm(x @ W.f, g.f)) - (i - s * c_prev + p * c_prev)
    h = softplus(-c_hat) ** 2 / (1 + abs(c_hat)) / (c_hat / i) - (-i)
    return h, where(c_hat > 0.0, relu(c_hat) * ((x @ W.f) @ U.f), -c_prev)


CELLS = {
    **{make.name: sized_cell(make, 4) for make in (*cells.ALL, odd)},
    "gru_reset_before": cells.gru(4, reset_after=False),
    "lstm_without_bias": cells.lstm(4, use_bias=False),
    "odd_with_peepholes": odd(4, peep=True),
}


def read(written, graph):
    """The graph of equations that are written as Python, node by node."""
    known = dict(graph.leaves)

    def value(part):
        match part:
            case ast.Constant(value=number):
                return number
            case ast.UnaryOp(op=ast.USub(), operand=of):
                return -value(of)
            case ast.BinOp(left=left, op=op, right=right):
                return OPERATORS[type(op)](value(left), value(right))
            case ast.Compare(left=left, ops=[ast.Gt()], comparators=[right]):
                return value(left) > value(right)
            case ast.Call(func=ast.Name(id=name), args=args):
                return getattr(functions, name)(*map(value, args))
            case ast.Attribute(attr="T", value=of):
                return value(of).T
            case ast.Attribute() | ast.Name():
                return known[ast.unparse(part)]
        raise AssertionError(ast.dump(part))

    with building(tuple(graph.nodes())):
        for line in ast.parse(written).body:
            known[ast.unparse(line.targets[0])] = value(line.value)
    return known


def leaves(graph, sizes, rng):
    """Random numbers for all that enters."""
    made = {}
    for name, node in graph.leaves.items():
        shape = tuple(sizes[s] for s in node.shape)
        samples = (2,) if name == "x" or name.endswith("_prev") else ()
        made[name] = rng.normal(size=(*samples, *shape))
    return made


@pytest.mark.parametrize("name", CELLS)
def test_text_read_as_python_computes_the_same(name, rng):
    sized = CELLS[name]
    graph = sized.graph
    known = read(text(graph), graph)
    given = leaves(graph, {**SIZES, **sized.sizes}, rng)
    states = {s: known[s] for s in sized.cell.states}
    expected = evaluate(graph, given)
    found = evaluate(Graph("read", graph.leaves, states), given)
    for state, array in found.items():
        array = np.broadcast_to(array, expected[state].shape)
        np.testing.assert_allclose(array, expected[state], rtol=1e-9, atol=1e-12)


def test_equations_are_those_of_the_source():
    assert text(cells.lstm.graph()) == (
        "i = sigmoid(x @ W.i + h_prev @ U.i + b.i)\n"
        "f = sigmoid(x @ W.f + h_prev @ U.f + b.f)\n"
        "g = tanh(x @ W.g + h_prev @ U.g + b.g)\n"
        "o = sigmoid(x @ W.o + h_prev @ U.o + b.o)\n"
        "c = f * c_prev + i * g\n"
        "h = o * tanh(c)\n"
    )


def test_numbers_are_written_as_short_as_they_were_meant():
    assert text(cells.scrn.graph()).startswith("s = 0.05 * (x @ B) + 0.95 * s_prev\n")
    assert "* 1.73205080756888\n" in text(cells.sru.graph())


def test_what_an_option_leaves_out_is_not_written():
    assert "b" not in text(cells.simple_rnn.graph(use_bias=False))
    assert "p *" not in text(odd.graph())
    assert "p * c_prev" in text(odd.graph(peep=True))


def test_what_is_left_out_leaves_shapes_as_they_are():
    @cell(state="h", p=vector(when="peep"))
    def bare(x, h_prev, W, U, b, p, *, peep=False):  # noqa: ARG001
        return sigmoid(x @ W + (p * h_prev + b) @ U) * (0.0 - h_prev) - p * h_prev

    assert text(bare.graph()) == "h = sigmoid(x @ W + b @ U) * (0 - h_prev)\n"
    assert "(0 * h_prev + 0) @ U" in text(bare.graph(use_bias=False))


def test_functions_are_called_by_their_names():
    written = text(odd.graph())
    assert "i = sigmoid(layer_norm(x @ W.i + h_prev @ U.i, g.i, b.i))" in written
    assert "silu(layer_norm(x @ W.f, g.f))" in written
    assert "relu(c_hat)" in written


def test_a_value_used_twice_is_written_once():
    assert "a1 = softplus(-c_hat)" in text(odd.graph())


def test_a_name_of_the_source_is_given_to_no_other_value():
    @cell(state="h")
    def busy(x, h_prev, W, U):
        a1 = x @ W + h_prev
        return sigmoid(h_prev @ U + a1) * a1 * sigmoid(h_prev @ U + a1)

    lines = [line.partition(" = ")[0] for line in text(busy.graph()).splitlines()]
    assert lines == ["a1", "a2", "h"]


def test_names_survive_what_rewrites_a_graph():
    names = cells.lstm.graph(use_bias=False).names
    assert list(names) == ["i", "f", "g", "o", "c", "h"]
    assert "i = sigmoid(x @ W.i + h_prev @ U.i)" in text(
        cells.lstm.graph(use_bias=False)
    )
