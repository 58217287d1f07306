"""A cell in ONNX Runtime computes what the interpreter says that its equations mean."""

import numpy as np
import pytest

from refrain import cells
from refrain.cells import cell
from refrain.functions import tanh
from tests.export.runs import Case, difference, exported, weights_of
from tests.layers.samples import mgu, two_faced
from tests.randoms import sized_cell


@cell(state=("h", "k"), output="y")
def still(x, h_prev, k_prev, W, U, b):
    """Some of what a step computes does not follow the input."""
    h = tanh(x @ W + h_prev @ U) * k_prev
    return tanh(b), h, 0.5 * tanh(b)


@cell(state="h")
def free(x, h_prev, U, b):  # noqa: ARG001
    """Nothing of what a step computes follows the input."""
    return tanh(h_prev @ U + b)


def sized_cells():
    for made in (*cells.ALL, mgu, two_faced, still, free):
        yield pytest.param(sized_cell(made, 5), id=made.name)
    variants = {
        "gru before": cells.gru(4, reset_after=False),
        "gru no bias": cells.gru(3, use_bias=False),
        "gru before no bias": cells.gru(3, reset_after=False, use_bias=False),
        "lstm other activations": cells.lstm(
            4, activation="relu", recurrent_activation="hard_sigmoid"
        ),
        "lstm softmax": cells.lstm(3, activation="softmax"),
        "rnn gelu": cells.simple_rnn(3, activation="gelu"),
    }
    yield from (pytest.param(made, id=name) for name, made in variants.items())


CELLS = list(sized_cells())


@pytest.mark.parametrize("against_time", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("sized", CELLS)
def test_outputs_and_states_equal_the_interpreter(sized, against_time, rng):
    assert difference(Case(sized, against_time=against_time), rng) < 1e-5


@pytest.mark.parametrize("zero_output", [False, True], ids=["hold", "zero"])
@pytest.mark.parametrize("mask", ["any", "lengths"])
@pytest.mark.parametrize("sized", CELLS)
def test_skipped_steps_equal_the_interpreter(sized, mask, zero_output, rng):
    for against_time in (False, True):
        case = Case(sized, 2, against_time, mask, zero_output)
        assert difference(case, rng) < 1e-5


@pytest.mark.parametrize("mask", ["", "any"])
@pytest.mark.parametrize("sized", CELLS)
def test_states_start_at_zero(sized, mask, rng):
    assert difference(Case(sized, mask=mask, given_states=False), rng) < 1e-5


@pytest.mark.parametrize("sized", [cells.lstm(5), mgu(5)], ids=["LSTM", "Scan"])
@pytest.mark.parametrize("fault", ["gates swapped", "bias lost", "matrix transposed"])
def test_the_comparison_catches(fault, sized, rng):
    case = Case(sized)
    weights = weights_of(case, rng)
    wrong = dict(weights)
    if fault == "gates swapped":
        first, last = (f"W.{g}" for g in sized.cell.gates[:2])
        wrong |= {first: weights[last], last: weights[first]}
    elif fault == "bias lost":
        wrong["b.f"] = np.zeros_like(weights["b.f"])
    else:
        wrong["U.f"] = weights["U.f"].T
    assert difference(case, rng, weights, faulty=wrong) > 1e-3


def test_products_of_one_value_are_one_product(rng):
    case = Case(mgu(5))
    model = exported(case, weights_of(case, rng))
    outside = [n for n in model.graph.node if n.op_type == "MatMul"]
    (scan,) = (n for n in model.graph.node if n.op_type == "Scan")
    (body,) = (a.g for a in scan.attribute if a.name == "body")
    inside = [n for n in body.node if n.op_type == "MatMul"]
    assert (len(outside), len(inside)) == (1, 2)
