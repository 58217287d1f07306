"""The interpreter on the traced equations equals the papers' formulas by hand."""

import numpy as np
import pytest

from refrain import cells
from refrain.errors import GraphError
from refrain.graph.evaluate import evaluate, run
from tests.graph import papers
from tests.randoms import random_states, random_weights, sized_cell, unpacked


def relu(x):
    return np.maximum(x, 0.0)


CASES = {
    "simple_rnn": (cells.simple_rnn(5), papers.simple_rnn, {}),
    "simple_rnn relu": (
        cells.simple_rnn(5, activation="relu"),
        papers.simple_rnn,
        {"activation": relu},
    ),
    "simple_rnn no bias": (cells.simple_rnn(4, use_bias=False), papers.simple_rnn, {}),
    "lstm": (cells.lstm(5), papers.lstm, {}),
    "lstm no bias": (cells.lstm(3, use_bias=False), papers.lstm, {}),
    "lstm relu": (cells.lstm(3, activation="relu"), papers.lstm, {"activation": relu}),
    "gru": (cells.gru(5), papers.gru_reset_after, {}),
    "gru reset before": (cells.gru(5, reset_after=False), papers.gru_reset_before, {}),
}


@pytest.mark.parametrize(("batch", "timesteps"), [(3, 6), (1, 1), (2, 40)])
@pytest.mark.parametrize("case", CASES)
def test_run_equals_the_paper(case, batch, timesteps, rng):
    sized, paper, options = CASES[case]
    x = rng.normal(size=(batch, timesteps, 4))
    variables = random_weights(sized, 4, rng)
    states = random_states(sized, batch, rng)
    outputs, history = run(sized.graph, x, states, unpacked(sized, 4, variables))
    expected, last = paper(x, list(states.values()), **variables, **options)
    np.testing.assert_allclose(outputs, expected, rtol=1e-12, atol=1e-14)
    for name, value in zip(states, last, strict=True):
        np.testing.assert_allclose(history[name][:, -1], value, rtol=1e-12, atol=1e-14)


def planted(fault, variables):
    """Weights with one mistake that real code makes."""
    wrong = {name: value.copy() for name, value in variables.items()}
    units = wrong["recurrent_kernel"].shape[0]
    if fault == "gates swapped":
        wrong["kernel"] = np.roll(wrong["kernel"], units, axis=1)
    elif fault == "recurrent kernel transposed":
        parts = np.split(wrong["recurrent_kernel"], 3, axis=1)
        wrong["recurrent_kernel"] = np.concatenate([p.T for p in parts], axis=1)
    elif fault == "bias missing":
        wrong["bias"][1] = 0.0
    elif fault == "biases added":
        wrong["bias"] = np.stack([wrong["bias"].sum(0), 0 * wrong["bias"][1]])
    return wrong


@pytest.mark.parametrize(
    "fault",
    ["gates swapped", "recurrent kernel transposed", "bias missing", "biases added"],
)
def test_comparison_with_the_paper_catches(fault, rng):
    sized = cells.gru(5)
    x, states = rng.normal(size=(3, 6, 4)), random_states(sized, 3, rng)
    variables = random_weights(sized, 4, rng)
    wrong = unpacked(sized, 4, planted(fault, variables))
    outputs, _ = run(sized.graph, x, states, wrong)
    expected, _ = papers.gru_reset_after(x, list(states.values()), **variables)
    assert np.abs(outputs - expected).max() > 1e-3


def test_comparison_with_the_paper_catches_the_other_reset_form(rng):
    sized = cells.gru(5, reset_after=False)
    x, states = rng.normal(size=(3, 6, 4)), random_states(sized, 3, rng)
    variables = random_weights(sized, 4, rng)
    outputs, _ = run(sized.graph, x, states, unpacked(sized, 4, variables))
    two = {**variables, "bias": np.stack([variables["bias"], 0 * variables["bias"]])}
    expected, _ = papers.gru_reset_after(x, list(states.values()), **two)
    assert np.abs(outputs - expected).max() > 1e-3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", cells.ALL, ids=repr)
def test_results_have_the_dtype_of_the_values(make, dtype, rng):
    sized = sized_cell(make, 3)
    weights = unpacked(sized, 2, random_weights(sized, 2, rng))
    values = {"x": rng.normal(size=(4, 2)), **weights}
    values |= {f"{s}_prev": v for s, v in random_states(sized, 4, rng).items()}
    found = evaluate(sized.graph, {n: v.astype(dtype) for n, v in values.items()})
    assert {v.dtype for v in found.values()} == {np.dtype(dtype)}


def test_no_steps_leave_the_states_alone(rng):
    sized = cells.lstm(3)
    weights = unpacked(sized, 2, random_weights(sized, 2, rng))
    states = random_states(sized, 2, rng)
    outputs, history = run(sized.graph, np.zeros((2, 0, 2)), states, weights)
    assert outputs.shape[:2] == (2, 0)
    assert set(history) == {"h", "c"}


def test_missing_value_is_named():
    with pytest.raises(GraphError, match="no value given for W"):
        evaluate(cells.simple_rnn(2).graph, {"x": np.zeros((1, 2))})
