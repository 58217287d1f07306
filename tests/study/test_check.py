"""`check_cell`: sound cells pass, and each kind of fault is told."""

import numpy as np
import pytest

from refrain import cells
from refrain.cells import cell, scalar
from refrain.functions import relu, sigmoid, sqrt
from refrain.graph.evaluate import evaluate
from refrain.study import check
from refrain.study.check import _Trial, check_cell


@cell(state="h", a=scalar(initializer=0.75))
def decaying(x, h_prev, W, a):
    """Its Jacobian is 0.75 times the identity, and its states are bounded."""
    return a * h_prev + x @ W


@cell(state="h")
def doubling(x, h_prev, W):
    """Grows by a half in each step."""
    return 1.5 * h_prev + x @ W


@cell(state="h")
def rooted(x, h_prev, W):
    """Roots of numbers below zero."""
    return sqrt(h_prev + x @ W)


@cell(state="h")
def kinked(x, h_prev, W):
    """Stays where relu has no derivative."""
    return relu(h_prev) * sigmoid(x @ W)


SOUND = ("lstm", "lstm_projection", "slstm", "lru", "layer_norm_gru", "jordan_rnn")


@pytest.mark.parametrize("name", SOUND)
def test_cells_of_the_zoo_are_sound(name):
    found = check_cell(getattr(cells, name), 3, 8)
    assert not found.faults
    assert found.gradient_error < 1e-6
    assert found.kernel_error < 1e-12
    assert found.step_us > 0


def test_figures_of_a_cell_that_one_can_compute():
    found = check_cell(decaying, 3, 8)
    assert found.radius == pytest.approx(0.75)
    assert found.growth == pytest.approx(0.75)
    assert (found.parameters, found.multiply_adds, found.linear) == (25, 24, True)


@pytest.mark.parametrize(
    ("faulty", "told"),
    [
        (doubling, "grows 1.50-fold a step (spectral radius 1.50)"),
        (doubling, "a state reaches"),
        (rooted, "no number (NaN)"),
        (kinked, "no derivative where a fresh network runs"),
    ],
)
def test_faults_are_told(faulty, told):
    assert told in "; ".join(check_cell(faulty, 3, 8).faults)


@pytest.mark.parametrize("result", ["y", "grad_x", "grad_recurrent_kernel"])
def test_a_kernel_that_is_off_is_told(result, monkeypatch):
    right = check.call_by_name

    def off(native, given):
        found = right(native, given)
        return found | {n: a + 1e-7 for n, a in found.items() if n == result}

    monkeypatch.setattr(check, "call_by_name", off)
    (fault,) = check_cell(cells.gru, 3, 8).faults
    assert "the kernel is off by" in fault


@pytest.mark.parametrize("make", [cells.lstm, cells.lru, cells.slstm], ids=repr)
def test_jacobians_are_derivatives_of_the_step(make):
    trial = _Trial(make, 3, 5, seed=1)
    jacobian, *_ = trial.jacobians()
    trial = _Trial(make, 3, 5, seed=1)
    x, old = trial.entering(1, check._JACOBIANS)
    direction = {s: trial.rng.normal(size=a.shape) for s, a in old.items()}

    def after(shift):
        moved = {f"{s}_prev": a + shift * direction[s] for s, a in old.items()}
        step = evaluate(trial.graph, {"x": x[:, 0], **moved, **trial.weights})
        return np.concatenate([step[s][0] for s in old])

    numeric = (after(1e-6) - after(-1e-6)) / 2e-6
    along = np.concatenate([d[0] for d in direction.values()])
    np.testing.assert_allclose(jacobian @ along, numeric, rtol=1e-6, atol=1e-9)
