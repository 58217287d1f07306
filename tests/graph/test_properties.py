"""What holds for every expression of the language, by random expressions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refrain.derive.reverse import reverse
from refrain.derive.simplify import simplify
from refrain.graph import functions as fn
from refrain.graph.evaluate import evaluate
from refrain.graph.graph import Graph, leaf, rewrite
from refrain.graph.node import building
from refrain.graph.show import show
from refrain.graph.verify import verify

LEAVES = {
    "x": ("features",),
    "h_prev": ("units",),
    "p": ("units",),
    "s": (),
    "W": ("features", "units"),
    "U": ("units", "units"),
}
SIZES = {"features": 3, "units": 4}
SMOOTH = [fn.tanh, fn.sigmoid, fn.sin, fn.cos, fn.softplus, fn.softsign, fn.erf]
REDUCTIONS = [fn.sum, fn.mean, fn.softmax]


@st.composite
def graphs(draw):
    """A graph of a few random steps over vectors of units."""
    with building():
        leaves = {name: leaf(name, shape) for name, shape in LEAVES.items()}
        known = [leaves["h_prev"], leaves["p"], leaves["x"] @ leaves["W"]]
        for _ in range(draw(st.integers(1, 8))):
            a, b = draw(st.sampled_from(known)), draw(st.sampled_from(known))
            number = draw(st.sampled_from([0.0, 1.0, -2.0, 0.5]))
            step = draw(st.integers(0, 7))
            known.append(
                [
                    lambda a, b, n: a + b,
                    lambda a, b, n: a - b * n,
                    lambda a, b, n: fn.tanh(a) * b,
                    lambda a, b, n: a / (2.0 + b * b),
                    lambda a, b, n: -a + n,
                    lambda a, b, n: draw(st.sampled_from(SMOOTH))(a),
                    lambda a, b, n: draw(st.sampled_from(REDUCTIONS))(a) * b,
                    lambda a, b, n: fn.tanh(a @ leaves["U"]) * leaves["s"],
                ][step](a, b, number)
            )
        return Graph(
            "random", leaves, {"output": fn.tanh(known[-1] + leaves["h_prev"])}
        )


def random_values(seed):
    rng = np.random.default_rng(seed)
    shapes = {n: tuple(SIZES[s] for s in shape) for n, shape in LEAVES.items()}
    sample = {n: ((2, *s) if n in ("x", "h_prev") else s) for n, s in shapes.items()}
    return {n: rng.normal(size=s, scale=0.7) for n, s in sample.items()}


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_traced_graphs_are_sound_and_so_are_their_gradients(graph):
    verify(graph)
    verify(reverse(graph))
    verify(simplify(reverse(graph)))


@settings(max_examples=40, deadline=None)
@given(graphs(), st.integers(0, 99))
def test_simplifying_keeps_the_meaning(graph, seed):
    values = random_values(seed)
    found = evaluate(simplify(graph), values)["output"]
    np.testing.assert_allclose(
        np.broadcast_to(found, (2, 4)), evaluate(graph, values)["output"], atol=1e-12
    )


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_simplifying_twice_is_simplifying_once(graph):
    once = simplify(graph)
    assert show(simplify(once)) == show(once)


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_rebuilding_keeps_the_text(graph):
    assert show(rewrite(graph, lambda node, operands: None)) == show(graph)


@settings(max_examples=40, deadline=None)
@given(graphs(), st.integers(0, 99))
def test_gradient_is_the_slope(graph, seed):
    values, along = random_values(seed), random_values(seed + 100)
    ones = {"grad_output": np.ones((2, 4))}
    exact = evaluate(reverse(graph), values | ones)
    slope = sum(np.sum(exact[f"grad_{n}"] * along[n]) for n in LEAVES)

    def total(shift):
        moved = {n: v + shift * along[n] for n, v in values.items()}
        return np.sum(evaluate(graph, moved)["output"] * np.ones((2, 4)))

    numeric = (total(1e-6) - total(-1e-6)) / 2e-6
    assert slope == pytest.approx(numeric, rel=1e-5, abs=1e-6)
