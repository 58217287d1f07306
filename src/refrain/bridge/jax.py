"""Kernels inside JAX, through XLA's typed foreign-function interface.

The call is part of the compiled computation: no Python runs, and buffers are XLA's.
Derivatives go through the derived gradient's own kernel (`jax.custom_vjp`).
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from refrain.runtime.driver import Kernel, Native, Request, kernel_for, rows_a_thread

_capsules: dict[str, Any] = {}  # registered handlers, which must outlive every call


def serves(dtype: str) -> str | None:
    """None where kernels can run; else why not."""
    if jax.default_backend() != "cpu":
        return f"JAX's default device is {jax.default_backend()}, kernels are for cpu"
    if dtype not in ("float32", "float64"):
        return f"kernels compute in float32 and float64, not in {dtype}"
    return None


def recurrent(
    request: Request,
    inputs: Mapping[str, jax.Array],
    variables: Mapping[str, jax.Array],
    states: Sequence[jax.Array],
) -> tuple[jax.Array | None, dict[str, jax.Array]]:
    """Run a cell over a batch of sequences.

    Args:
        request: the cell and how to run it.
        inputs: `x` `(batch, timesteps, features)`; dropout masks by leaf name, each
            `(batch, size)`; `mask` `(batch, timesteps)`, 1 where a step counts.
        variables: the cell's variables by name.
        states: first states, each `(batch, size)`.

    Returns:
        Outputs `(batch, timesteps, units)`, or None where only the last is wanted;
        last states by name, and the last output as `held` where it is no state.
    """
    batch = inputs["x"].shape[0]
    request = replace(request, rows=rows_a_thread(batch))
    kernel = kernel_for(replace(request, training=False))
    first = [b for b in kernel.forward.program.inputs if b.name.startswith("first_")]
    held = [
        jnp.zeros((batch, b.width), inputs["x"].dtype) for b in first[len(states) :]
    ]
    names = [b.name for b in kernel.forward.program.inputs]
    y, last = _differentiable(_Key(request))(
        tuple(inputs[n] for n in names if n in inputs),
        tuple(variables[n] for n in names if n in variables),
        (*states, *held),
    )
    return y, dict(zip(kernel.states, last, strict=True))


class _Key:
    """A request that can be hashed."""

    def __init__(self, request: Request):
        self.request = request
        self.key = request.key()

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.key == other.key


@functools.cache
def _differentiable(key: _Key):
    request = key.request

    @jax.custom_vjp
    def run(inputs, variables, states):
        kernel = kernel_for(replace(request, training=False))
        return _forward(kernel, inputs, variables, states)[0]

    def forward(inputs, variables, states):
        kernel = kernel_for(replace(request, training=True))
        results, tape = _forward(kernel, inputs, variables, states)
        return results, (inputs, variables, tape)

    def backward(saved, arriving):
        inputs, variables, tape = saved
        grad_y, grad_last = arriving
        kernel = kernel_for(replace(request, training=True))
        assert kernel.backward is not None
        sequence = () if grad_y is None else (grad_y,)
        batch, timesteps = inputs[0].shape[:2]
        found = _call(
            kernel,
            "backward",
            kernel.backward,
            (*inputs, *variables, tape, *sequence, *grad_last),
            batch,
            timesteps,
        )
        grad_first = tuple(found[f"grad_first_{s}"] for s in kernel.states)
        weights = _weights(kernel, found["streams"], tape, inputs, batch, timesteps)
        grads = [g.reshape(v.shape) for g, v in zip(weights, variables, strict=True)]
        nothing = tuple(jnp.zeros_like(i) for i in inputs[1:])
        return (found["grad_x"], *nothing), tuple(grads), grad_first

    run.defvjp(forward, backward)
    return run


def _forward(kernel: Kernel, inputs, variables, states):
    batch, timesteps = inputs[0].shape[:2]
    arguments = (*inputs, *variables, *states)
    found = _call(kernel, "forward", kernel.forward, arguments, batch, timesteps)
    last = tuple(found[f"last_{s}"] for s in kernel.states)
    return (found.get("y"), last), found["tape"]


def _weights(kernel: Kernel, streams, tape, inputs, batch, timesteps):
    native = kernel.gathering
    assert native is not None
    names = [b.name for b in kernel.forward.program.inputs]
    given = dict(zip(names, inputs, strict=False))
    given |= {"streams": streams, "tape": tape}
    arguments = [given[b.name] for b in native.program.inputs]
    found = _call(kernel, "gathering", native, arguments, batch, timesteps)
    return [found[b.name] for b in native.program.outputs]


def _call(
    kernel: Kernel,
    name: str,
    native: Native,
    arguments: Sequence[jax.Array],
    batch: int,
    timesteps: int,
) -> dict[str, jax.Array]:
    """Call one program; return its results by buffer name."""
    dtype = arguments[0].dtype
    native.check(arguments, batch, timesteps)
    outputs = native.program.outputs
    shapes = [
        jax.ShapeDtypeStruct(native.shape(b, batch, timesteps), dtype) for b in outputs
    ]
    target = f"{kernel.name}_{name}"
    if target not in _capsules:
        handler = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(native.xla)
        _capsules[target] = handler
        jax.ffi.register_ffi_target(target, jax.ffi.pycapsule(handler), platform="cpu")
    found = jax.ffi.ffi_call(target, shapes)(*arguments)
    return dict(zip((b.name for b in outputs), found, strict=True))
