"""Kernels meet no denormal numbers, and leave the caller's floating point as it was."""

import ctypes
import ctypes.util
import platform

import numpy as np
import pytest

from refrain.bridge.numpy import call
from refrain.cells import cell, vector
from refrain.runtime.driver import Request, kernel_for
from tests.emit.functions import is_denormal
from tests.runtime.reference import kernel_results

MACHINE = platform.machine().lower()

pytestmark = [
    pytest.mark.skipif(
        MACHINE not in ("x86_64", "amd64", "aarch64", "arm64"),
        reason="denormals are flushed on x86 and ARM",
    ),
    pytest.mark.parametrize("dtype", ["float32", "float64"]),
]

UPWARD = 0x800 if "86" in MACHINE or "amd" in MACHINE else 0x400000  # as in fenv.h


@cell(state="s", decay=vector())
def fading(x, s_prev, W, decay):
    """A state that the input does not reach fades towards zero."""
    return decay * s_prev + x @ W


def everything_computed(dtype, rate=0.25):
    """All results of a fading state's run over a long sequence of zeros."""
    batch, timesteps, units = 3, 640, 17
    request = Request(fading(units), 2, dtype, training=True, rows=2)
    variables = {"kernel": np.zeros((2, units)), "decay": np.full(units, rate)}
    x, states = np.zeros((batch, timesteps, 2)), {"s": np.ones((batch, units))}
    grad_y, grad_last = np.zeros((batch, timesteps, units)), {"s": states["s"]}
    return kernel_results(request, x, states, variables, grad_y, grad_last)


def test_fading_state_and_its_gradient_meet_no_denormals(dtype):
    found = everything_computed(dtype)
    for name in ("y", "last_s", "grad_x", "grad_first_s", "grad_decay"):
        assert not is_denormal(found[name], dtype).any(), name
    # Without flushing there would be some on the way to zero.
    with np.errstate(under="ignore"):
        plain = np.cumprod(np.full((640, 1), 0.25, dtype), axis=0)
    assert is_denormal(plain, dtype).any()
    normal = plain >= np.finfo(dtype).tiny
    assert np.array_equal(found["y"][0], np.where(normal, plain, 0) * np.ones(17))


def test_denormal_weights_and_inputs_count_as_zero(dtype):
    tiny = np.finfo(dtype).tiny
    kernel = kernel_for(Request(fading(17), 2, dtype, rows=2))
    given = {"x": np.full((3, 1, 2), tiny / 2), "kernel": np.full((2, 17), 2.0)}
    given |= {"decay": np.full(17, tiny / 2), "first_s": np.full((3, 17), 2.0)}
    found = call(kernel.forward, given, 3, 1, np.dtype(dtype))
    assert (found["y"] == 0).all()


def test_caller_computes_with_denormals_after_a_kernel(dtype, monkeypatch):
    monkeypatch.setenv("REFRAIN_THREADS", "1")  # in the caller's own thread
    everything_computed(dtype)
    tiny = np.full(4, np.finfo(dtype).tiny)
    with np.errstate(under="ignore"):
        assert is_denormal(tiny / 2, dtype).all()
        assert (tiny / 2 + tiny / 2 == tiny).all()


def test_caller_keeps_its_rounding(dtype, monkeypatch):
    monkeypatch.setenv("REFRAIN_THREADS", "1")
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    try:
        assert libm.fesetround(UPWARD) == 0
        everything_computed(dtype)
        assert libm.fegetround() == UPWARD
    finally:
        libm.fesetround(0)
