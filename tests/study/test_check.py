"""`check_cell`: sound cells pass, and each kind of fault is told."""

import pytest

from refrain import cells
from refrain.cells import cell, scalar
from refrain.functions import relu, sigmoid, sqrt
from refrain.study import check
from refrain.study.check import check_cell


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


@cell(state="h", gates=("f", "n"))
def half(x, h_prev, W, U, b):
    """Declares gates for weights that it does not use."""
    f = sigmoid(x @ W.f + h_prev @ U.f + b.f)
    return f * h_prev + (1 - f) * (x @ W.n)


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
        (half, "in no equation: U.n, b.n"),
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
