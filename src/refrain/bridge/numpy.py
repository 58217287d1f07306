"""Kernels on NumPy arrays.

A kernel's whole call without an array library: what Keras's NumPy backend runs, and
what bridges run whose libraries lend their memory to NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from refrain.bridge.programs import (
    Results,
    arguments_of,
    by_state,
    kernel_of,
    run_forward,
    serves_dtype,
)
from refrain.runtime.driver import Native, Request
from refrain.runtime.memory import empty
from refrain.runtime.openmp import Team
from refrain.runtime.threads import run_native


def serves(dtype: str) -> str | None:
    """None where kernels can run; else why not."""
    return serves_dtype(dtype)


def by_device(
    kernel: Callable[..., Any],
    scan: Callable[..., Any],  # noqa: ARG001 (there is one device)
    arrays: tuple[Any, ...],
    required: bool,  # noqa: ARG001
) -> Any:
    """Run the kernel; see `refrain.bridge.jax.by_device`."""
    return kernel(*arrays)


def recurrent(
    request: Request,
    inputs: Mapping[str, np.ndarray],
    variables: Mapping[str, np.ndarray],
    states: Sequence[np.ndarray],
) -> Results:
    """Run a cell over a batch of sequences; see `refrain.bridge.jax.recurrent`."""
    x = inputs["x"]
    kernel = kernel_of(request, x, training=False)
    arguments = arguments_of(
        kernel,
        request,
        inputs,
        variables,
        states,
        lambda size: np.zeros((len(x), size), x.dtype),
    )
    results, _ = run_forward(kernel, call_by_name, arguments)
    return by_state(kernel, request, results)


def call_by_name(
    native: Native, given: Mapping[str, np.ndarray], team: Team | None = None
) -> dict[str, np.ndarray]:
    """Run one program on arrays of one dtype by buffer name; see `run_native`."""
    first = given[native.program.inputs[0].name]
    batch, timesteps = first.shape[:2]
    return call(native, given, batch, timesteps, first.dtype, team)


def call(
    native: Native,
    given: Mapping[str, np.ndarray],
    batch: int,
    timesteps: int,
    dtype: np.dtype[Any],
    team: Team | None = None,
) -> dict[str, np.ndarray]:
    """Run one program on arrays by buffer name; what is not given starts at zero."""
    program = native.program
    arrays = [
        np.ascontiguousarray(given[b.name], dtype)
        if b.name in given
        else np.zeros(b.shape(batch, timesteps), dtype)
        for b in program.inputs
    ]
    native.check(arrays, batch, timesteps)
    results = [empty(b.shape(batch, timesteps), dtype) for b in program.outputs]
    addresses = [a.ctypes.data for a in (*arrays, *results)]
    run_native(native, addresses, batch, timesteps, team)
    return dict(zip((b.name for b in program.outputs), results, strict=True))
