"""What a sum over units leaves out, and that its value is the same."""

import numpy as np
import pytest

from refrain.derive.reverse import reverse
from refrain.derive.simplify import simplify
from refrain.graph import functions as fn
from refrain.graph.evaluate import evaluate
from refrain.graph.graph import Graph, leaf
from refrain.graph.node import Node, building

LEAVES = {"x": ("units",), "h_prev": ("units",), "s": ()}


def graph_of(equations) -> Graph:
    """The graph of a function of x, h_prev and the number s."""
    with building(()):
        leaves = {name: leaf(name, shape) for name, shape in LEAVES.items()}
        result: Node = equations(*leaves.values())
    return Graph("test", leaves, {"output": result})


def reductions(graph: Graph) -> int:
    return sum(node.op.name in ("sum", "mean") for node in graph.nodes())


def centred(v: Node) -> Node:
    return v - fn.mean(v)


@pytest.mark.parametrize(
    ("equations", "left"),
    [
        (lambda x, h, s: fn.sum(centred(x)) + h, 0),
        (lambda x, h, s: fn.mean(h + centred(x)) + h, 1),
        (lambda x, h, s: fn.sum(h - centred(x * h) * s) + h, 1),
        (lambda x, h, s: fn.sum(s * centred(x) + h + s * centred(h)) + h, 1),
        (lambda x, h, s: fn.sum(centred(x) / s - h) + h, 1),
        # No vector less its own mean:
        (lambda x, h, s: fn.sum(x - fn.mean(h)) + h, 2),
        (lambda x, h, s: fn.sum(fn.mean(x) - x) + h, 2),
        (lambda x, h, s: fn.sum(centred(x) * h) + h, 2),
        (lambda x, h, s: fn.sum(centred(x) * centred(x)) + h, 2),
        (lambda x, h, s: fn.sum(s + centred(x)) + h, 2),
    ],
)
def test_a_sum_leaves_out_what_has_its_mean_taken_away(equations, left, rng):
    graph = graph_of(equations)
    simple = simplify(graph)
    assert reductions(simple) == left
    values = {n: rng.normal(size=(3, 5 if shape else 1)) for n, shape in LEAVES.items()}
    found, exact = (evaluate(g, values)["output"] for g in (simple, graph))
    np.testing.assert_allclose(found, exact, atol=1e-13)


def test_the_gradient_of_layer_normalisation_takes_two_sums(rng):
    """And one for the gain, a number."""
    graph = graph_of(lambda x, h, s: fn.layer_norm(x, s) * h)
    gradient = reverse(graph)
    simple = simplify(gradient)
    own = set(simplify(graph).nodes())
    assert sum(n.op.name == "sum" and n not in own for n in simple.nodes()) == 3
    values = {n: rng.normal(size=(3, 5 if shape else 1)) for n, shape in LEAVES.items()}
    values["grad_output"] = rng.normal(size=(3, 5))
    found, exact = evaluate(simple, values), evaluate(gradient, values)
    for name in exact:
        np.testing.assert_allclose(found[name], exact[name], atol=1e-13, err_msg=name)
