"""Every kernel equals the float64 interpreter, forward and backward."""

import functools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refrain import cells
from refrain.bridge.numpy import call
from refrain.derive.through_time import gradient_through_time
from refrain.graph.dropout import with_dropout
from refrain.graph.evaluate import run
from refrain.runtime.driver import Request, kernel_for
from tests.randoms import random_states, random_weights, sized_cell, unpacked
from tests.runtime.reference import (
    CELLS,
    assert_close,
    assert_equals_interpreter,
    assert_masked_skips,
    delayed,
    divided,
    kernel_results,
    leaky,
    normalised,
    twins,
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 5, 2, 4), (1, 50, 5, 10), (17, 33, 7, 3)])
@pytest.mark.parametrize("make", CELLS, ids=repr)
def test_kernel_equals_interpreter(make, shape, dtype, rng):
    assert_equals_interpreter(make, *shape, dtype, rng)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-9)])
@pytest.mark.parametrize("make", cells.ALL, ids=repr)
def test_kernel_of_the_zoo_equals_interpreter(make, dtype, tolerance, rng):
    sized = functools.partial(sized_cell, make)
    assert_equals_interpreter(sized, 3, 9, 5, 6, dtype, rng, tolerance)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    features=st.integers(1, 70),
    units=st.one_of(st.integers(1, 130), st.just(512)),
    batch=st.integers(1, 70),
    timesteps=st.integers(0, 30),
    index=st.integers(0, len(CELLS) - 1),
)
def test_kernel_equals_interpreter_for_any_shape(
    features, units, batch, timesteps, index
):
    rng = np.random.default_rng(units)
    # Few steps of a large network, so that float32 has no time to diverge.
    timesteps = min(timesteps, 600 // units + 1)
    assert_equals_interpreter(
        CELLS[index], features, units, batch, timesteps, "float64", rng
    )


def test_long_sequence_equals_interpreter(rng):
    assert_equals_interpreter(cells.lstm, 2, 9, 3, 300, "float64", rng)


@pytest.mark.parametrize("make", [twins, delayed], ids=repr)
def test_without_steps_states_stay_as_they_are(make, rng):
    assert_equals_interpreter(make, 3, 5, 2, 0, "float64", rng)


@pytest.mark.parametrize(
    "fault", ["swap gates", "transpose", "drop bias", "other form"]
)
def test_planted_fault_is_caught(fault, rng):
    sized = cells.gru(6)
    variables = random_weights(sized, 6, rng)
    wrong = {name: value.copy() for name, value in variables.items()}
    if fault == "swap gates":
        wrong["kernel"] = np.roll(wrong["kernel"], 6, axis=1)
    elif fault == "transpose":
        parts = np.split(wrong["recurrent_kernel"], 3, axis=1)
        wrong["recurrent_kernel"] = np.concatenate([p.T for p in parts], axis=1)
    elif fault == "drop bias":
        wrong["bias"][1] = 0.0
    x, states = rng.normal(size=(2, 5, 6)), random_states(sized, 2, rng)
    exact, _ = run(sized.graph, x, states, unpacked(sized, 6, variables))
    if fault == "other form":
        sized = cells.gru(6, reset_after=False)
        wrong["bias"] = wrong["bias"].sum(0)
    request = Request(sized, 6, "float64")
    given = {"x": x, **wrong, "first_h": states["h"]}
    found = call(kernel_for(request).forward, given, 2, 5, np.dtype("float64"))
    assert np.abs(found["y"] - exact).max() > 1e-3


@pytest.mark.parametrize("against_time", [False, True])
@pytest.mark.parametrize("by_gate", [True, False])
@pytest.mark.parametrize("make", [cells.lstm, cells.gru, leaky], ids=repr)
def test_dropout_equals_equations_with_dropout(make, by_gate, against_time, rng):
    sized, features, batch, timesteps = make(19), 5, 6, 7
    gates = sized.cell.gates if by_gate else ()
    names = [f"recurrent_dropout.{g}" for g in gates] or ["recurrent_dropout"]
    sizes = {"dropout": features, **dict.fromkeys(names, 19)}
    masks = {
        name: (rng.random((batch, size)) > 0.3) / 0.7 for name, size in sizes.items()
    }
    request = Request(
        sized,
        features,
        "float64",
        True,
        dropout=tuple(sorted(masks)),
        rows=3,
        against_time=against_time,
    )
    variables = random_weights(sized, features, rng)
    weights = {**unpacked(sized, features, variables), **masks}
    states = random_states(sized, batch, rng)
    x = rng.normal(size=(batch, timesteps, features))
    grad_y = rng.normal(size=(batch, timesteps, sized.output_size))
    grad_last = {s: rng.normal(size=a.shape) for s, a in states.items()}
    turn = (lambda a: a[:, ::-1]) if against_time else (lambda a: a)
    found = kernel_results(
        request, turn(x), states, variables, grad_y, grad_last, masks
    )
    graph = with_dropout(sized.graph, set(masks))
    outputs, _ = run(graph, x, states, weights)
    exact = gradient_through_time(graph, x, states, weights, grad_y, grad_last)
    assert_close("y", found["y"], outputs, "float64")
    assert_close("grad x", turn(found["grad_x"]), exact["grad_x"], "float64")
    for variable in sized.variables(features):
        gradient = found[f"grad_{variable.name}"].reshape(variable.shape)
        for name, part in variable.unpack(gradient).items():
            assert_close(f"grad {name}", part, exact[f"grad_{name}"], "float64")


@pytest.mark.parametrize("units", [17, 70])  # weights in one piece, and in slices
@pytest.mark.parametrize("against_time", [False, True])
@pytest.mark.parametrize("mask", ["hold", "zero"])
@pytest.mark.parametrize(
    "make", [cells.lstm, cells.gru, normalised, leaky, delayed, divided], ids=repr
)
def test_masked_run_equals_run_without_skipped_steps(
    make, mask, against_time, units, rng
):
    assert_masked_skips(make(units), mask, against_time, rng)
