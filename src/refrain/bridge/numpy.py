"""Kernels on NumPy arrays, for inference.

A kernel's whole call without an array library: this is what Keras's NumPy backend
runs, and what every other bridge does in its library's terms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from refrain.runtime.driver import Native, Request, kernel_for, rows_a_thread
from refrain.runtime.threads import run_native


def serves(dtype: str) -> str | None:
    """None where kernels can run; else why not."""
    if dtype not in ("float32", "float64"):
        return f"kernels compute in float32 and float64, not in {dtype}"
    return None


def recurrent(
    request: Request,
    inputs: Mapping[str, np.ndarray],
    variables: Mapping[str, np.ndarray],
    states: Sequence[np.ndarray],
) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
    """Run a cell over a batch of sequences; see `refrain.bridge.jax.recurrent`."""
    batch, timesteps = inputs["x"].shape[:2]
    kernel = kernel_for(replace(request, training=False, rows=rows_a_thread(batch)))
    given = {**inputs, **variables}
    given |= {f"first_{s}": a for s, a in zip(kernel.states, states, strict=False)}
    found = call(kernel.forward, given, batch, timesteps, np.dtype(request.dtype))
    return found.get("y"), {s: found[f"last_{s}"] for s in kernel.states}


def call(
    native: Native,
    given: Mapping[str, np.ndarray],
    batch: int,
    timesteps: int,
    dtype: np.dtype,
) -> dict[str, np.ndarray]:
    """Run one program on arrays by buffer name; what is not given starts at zero."""
    program = native.program
    arrays = [
        np.ascontiguousarray(given[b.name], dtype)
        if b.name in given
        else np.zeros(native.shape(b, batch, timesteps), dtype)
        for b in program.inputs
    ]
    native.check(arrays, batch, timesteps)
    results = [
        np.empty(native.shape(b, batch, timesteps), dtype) for b in program.outputs
    ]
    addresses = [a.ctypes.data for a in (*arrays, *results)]
    run_native(native, addresses, batch, timesteps)
    return dict(zip((b.name for b in program.outputs), results, strict=True))
