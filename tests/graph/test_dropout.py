"""Dropout enters the products of a graph, and nothing else."""

import numpy as np
import pytest

from refrain import cells
from refrain.graph.dropout import with_dropout
from refrain.graph.evaluate import evaluate
from refrain.graph.ops import OPS
from refrain.graph.verify import verify
from tests.randoms import random_states, random_weights, sized_cell, unpacked

GATES = {"lstm": "ifgo", "gru": "zrn"}


def values_of(sized, rng):
    values = {"x": rng.normal(size=(3, 2))}
    values |= {f"{s}_prev": v for s, v in random_states(sized, 3, rng).items()}
    return values | unpacked(sized, 2, random_weights(sized, 2, rng))


@pytest.mark.parametrize("make", cells.ALL, ids=repr)
def test_no_mask_leaves_the_graph_itself(make):
    graph = sized_cell(make, 3).graph
    assert with_dropout(graph, set()) is graph


@pytest.mark.parametrize("make", cells.ALL, ids=repr)
def test_masks_of_ones_change_nothing(make, rng):
    sized = sized_cell(make, 3)
    graph = verify(with_dropout(sized.graph, {"dropout", "recurrent_dropout"}))
    values = values_of(sized, rng)
    state = np.ones((3, sized.state_size[0]))
    ones = {"dropout": np.ones((3, 2)), "recurrent_dropout": state}
    found, expected = evaluate(graph, values | ones), evaluate(sized.graph, values)
    np.testing.assert_array_equal(found["output"], expected["output"])


@pytest.mark.parametrize("make", cells.ALL, ids=repr)
def test_one_input_mask_is_the_same_as_a_masked_input(make, rng):
    sized = sized_cell(make, 3)
    values, mask = values_of(sized, rng), rng.integers(0, 2, size=(3, 2)) * 2.0
    graph = with_dropout(sized.graph, {"dropout"})
    found = evaluate(graph, values | {"dropout": mask})
    expected = evaluate(sized.graph, values | {"x": values["x"] * mask})
    np.testing.assert_allclose(found["output"], expected["output"], rtol=1e-14)


@pytest.mark.parametrize("name", GATES)
def test_a_mask_of_one_gate_reaches_that_gate_alone(name, rng):
    sized = getattr(cells, name)(3)
    values = values_of(sized, rng)
    gate = GATES[name][0]
    graph = with_dropout(sized.graph, {f"recurrent_dropout.{gate}"})
    found = evaluate(graph, values | {f"recurrent_dropout.{gate}": np.zeros((3, 3))})
    without = values | {f"U.{gate}": np.zeros((3, 3))}
    np.testing.assert_allclose(found["h"], evaluate(sized.graph, without)["h"])


def test_the_carried_state_itself_is_not_dropped(rng):
    sized = cells.gru(3)
    values = values_of(sized, rng)
    values["b.z"] = np.full(3, 100.0)  # the update gate keeps all of the state
    graph = with_dropout(sized.graph, {"recurrent_dropout"})
    found = evaluate(graph, values | {"recurrent_dropout": np.zeros((3, 3))})
    np.testing.assert_allclose(found["h"], values["h_prev"])


def test_vectors_of_another_size_than_the_first_state_are_not_dropped():
    sized = cells.lstm_projection(3, projection=2)
    graph = with_dropout(sized.graph, {"recurrent_dropout"})
    assert graph.leaves["recurrent_dropout"].shape == ("projection",)
    products = {
        n.inputs[1].attribute: n.inputs[0] for n in graph.nodes() if is_product(n)
    }
    assert graph.leaves["recurrent_dropout"] in products["U.i"].inputs
    assert graph.leaves["recurrent_dropout"] not in products["P"].inputs


def is_product(node):
    return node.op is OPS["matmul"]


def test_masks_are_leaves_of_the_graph():
    graph = with_dropout(cells.lstm(3).graph, {"dropout", "recurrent_dropout.o"})
    assert graph.leaves["dropout"].shape == ("features",)
    assert graph.leaves["recurrent_dropout.o"].shape == ("units",)
    products = [n for n in graph.nodes() if is_product(n)]
    assert len(products) == 8
