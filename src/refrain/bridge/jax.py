"""Kernels inside JAX, through XLA's typed foreign-function interface.

A call is part of the compiled computation: no Python runs, and buffers are XLA's.
Derivatives go through the derived gradient's own kernel. A mapped axis
(`jax.vmap`) joins the batch; a batch that is sharded over devices stays so.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jax.experimental.custom_partitioning import (
    ArrayMapping,
    SdyShardingRule,
    custom_partitioning,
)
from jax.sharding import NamedSharding, PartitionSpec

from refrain.bridge.programs import (
    NO_SECOND_DERIVATIVE,
    Results,
    arguments_of,
    by_state,
    kernel_of,
    per_sample,
    run_backward,
    run_forward,
    serves_dtype,
    sums_samples,
)
from refrain.errors import KernelError
from refrain.runtime.driver import Kernel, Native, Request
from refrain.runtime.memory import keep_freed_memory

Run = Callable[..., Any]
_SAMPLES = "b"  # XLA's name for the axis of samples

_lock = threading.Lock()
_functions: dict[tuple, Run] = {}  # by request
_programs: dict[str, Run] = {}  # by XLA's name for them
_handlers: list[Any] = []  # must outlive every call


def serves(dtype: str) -> str | None:
    """None where kernels can run; else why not."""
    chosen: Any = jax.config.jax_default_device  # pyright: ignore[reportAttributeAccessIssue]
    platform = getattr(chosen, "platform", chosen) or jax.default_backend()
    if platform != "cpu":
        return f"JAX's default device is {platform}, kernels are for cpu"
    return serves_dtype(dtype)


def by_device(kernel: Run, scan: Run, arrays: tuple[Any, ...], required: bool) -> Any:
    """Run the kernel on CPUs, and the scan wherever else the program is lowered for.

    Args:
        kernel, scan: functions of the same arrays, with results of the same shapes.
        arrays: what they are called with.
        required: only the kernel will do.
    """
    if required:
        return kernel(*arrays)
    return jax.lax.platform_dependent(*arrays, cpu=kernel, default=scan)


def gradient(function: Run, arrays: Sequence[jax.Array]) -> list[jax.Array]:
    """Derivatives of a function that gives one number, one for each of its arrays."""
    return list(jax.grad(function, argnums=tuple(range(len(arrays))))(*arrays))


def recurrent(
    request: Request,
    inputs: Mapping[str, jax.Array],
    variables: Mapping[str, jax.Array],
    states: Sequence[jax.Array],
) -> Results:
    """Run a cell over a batch of sequences.

    Args:
        request: the cell and how to run it.
        inputs: `x` and whatever else the request's changes read, by leaf name; see
            `refrain.bridge.programs.arguments_of` for their shapes.
        variables: the cell's variables by name.
        states: first states, each `(batch, size)`.

    Raises:
        KernelError: an array is missing, or its shape or dtype is not the expected one.
    """
    x = inputs["x"]
    kernel = kernel_of(request, x, training=False)
    arguments = arguments_of(
        kernel,
        request,
        inputs,
        variables,
        states,
        lambda size: jnp.zeros((x.shape[0], size), x.dtype),
    )
    key = request.key()
    if key not in _functions:
        _functions[key] = _differentiable(request)
    return by_state(kernel, request, _functions[key](*arguments))


def _differentiable(request: Request) -> Run:
    """A cell over a batch of sequences as a function with a gradient."""

    @jax.custom_vjp
    def run(*arguments):
        kernel = kernel_of(request, arguments[0], training=False)
        return run_forward(kernel, _caller(kernel), arguments)[0]

    def forward(*arguments):
        kernel = kernel_of(request, arguments[0], training=True)
        results, tape = run_forward(kernel, _caller(kernel), arguments)
        return results, (arguments, tape)

    def backward(saved, arriving):
        arguments, tape = saved
        kernel = kernel_of(request, arguments[0], training=True)
        return tuple(run_backward(kernel, _caller(kernel), arguments, tape, arriving))

    run.defvjp(forward, backward)
    return jax.jit(run)


def _caller(kernel: Kernel):
    """Runs the kernel's programs on arrays by buffer name."""

    def call(native: Native, given: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        program = native.program
        name = f"{kernel.name}_{program.name}".replace(" ", "_")
        results = _function(name, native)(*(given[b.name] for b in program.inputs))
        found = dict(zip((b.name for b in program.outputs), results, strict=True))
        # Who reads the argument from now on reads what was written over it: were the
        # argument itself read, XLA would copy it first.
        return found | {b.over: found[b.name] for b in program.outputs if b.over}

    return call


def _function(name: str, native: Native) -> Run:
    """One program as a function of arrays; XLA knows it by its name."""
    with _lock:
        if not _programs:
            keep_freed_memory()  # where our layers have not asked for it already
        if name not in _programs:
            handler = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(native.xla)
            _handlers.append(handler)
            capsule = jax.ffi.pycapsule(handler)
            jax.ffi.register_ffi_target(name, capsule, platform="cpu")
            _programs[name] = _mapped(native, _once(_partitioned(name, native)))
        return _programs[name]


def _partitioned(name: str, native: Native) -> Run:
    """One program, which every device runs on the samples that it has."""
    inputs, outputs = _with_samples(native)

    @custom_partitioning
    def run(*arrays):
        batch, timesteps = arrays[0].shape[:2]
        native.check(arrays, batch, timesteps)
        shapes = [
            jax.ShapeDtypeStruct(b.shape(batch, timesteps), arrays[0].dtype)
            for b in native.program.outputs
        ]
        call = jax.ffi.ffi_call(name, shapes, input_output_aliases=native.over)
        return call(*arrays)

    def partition(mesh, arguments, _results):
        devices = arguments[0].sharding.spec[0]
        split, whole = (NamedSharding(mesh, PartitionSpec(d)) for d in (devices, None))

        def local(*arrays):
            found = run.fun(*arrays)
            summed = sums_samples(native) and devices is not None
            return jax.lax.psum(found, devices) if summed else found

        return (
            mesh,
            local,
            [split if each else whole for each in outputs],
            tuple(split if each else whole for each in inputs),
        )

    run.def_partition(partition, sharding_rule=_sharding_rule(native))
    return run


def _sharding_rule(native: Native) -> Run:
    """Tells XLA which axes are those of samples, and which results are sums of them."""
    inputs, outputs = _with_samples(native)

    def rule(_mesh, given: Sequence[Any], found: Sequence[Any]):
        values = zip(inputs + outputs, [*given, *found], strict=True)
        mappings = [
            ArrayMapping(*_axes(f"a{k}", sample, len(value.shape)))
            for k, (sample, value) in enumerate(values)
        ]
        others = dict.fromkeys(axis for m in mappings for axis in m)
        del others[_SAMPLES]
        count = len(inputs)
        return SdyShardingRule(
            tuple(mappings[:count]),
            tuple(mappings[count:]),
            reduction_factors=(_SAMPLES,) if sums_samples(native) else (),
            need_replication_factors=tuple(others),
        )

    return rule


def _with_samples(native: Native) -> tuple[list[bool], list[bool]]:
    """Of each argument and each result of a program, whether samples are its rows."""
    inputs, outputs = native.program.inputs, native.program.outputs
    return [per_sample(b) for b in inputs], [per_sample(b) for b in outputs]


def _once(run: Run) -> Run:
    """One program, which refuses to be differentiated: its gradient is another one."""
    once = jax.custom_jvp(run)

    @once.defjvp
    def refuse(_arrays, _changes):
        raise KernelError(NO_SECOND_DERIVATIVE)

    return once


def _mapped(native: Native, run: Run) -> Run:
    """One program under `jax.vmap`: mapped samples are samples like all others."""
    inputs, outputs = _with_samples(native)
    mapped = custom_vmap(run)

    @mapped.def_vmap
    def rule(count: int, along: Sequence[bool], *arrays):
        weights = any(a and not s for a, s in zip(along, inputs, strict=True))
        if weights or sums_samples(native):
            return _one_by_one(mapped, along, arrays), [True] * len(outputs)
        folded = [
            _fold(a, count, m) if s else a
            for a, m, s in zip(arrays, along, inputs, strict=True)
        ]
        found = [
            f.reshape(count, -1, *f.shape[1:]) if s else f
            for f, s in zip(mapped(*folded), outputs, strict=True)
        ]
        return found, outputs

    return jax.jit(mapped)


def _axes(name: str, sample: bool, rank: int) -> list[str]:
    """Names of an array's axes for XLA: that of the samples is the same for all."""
    axes = [f"{name}x{k}" for k in range(rank)]
    return [_SAMPLES, *axes[1:]] if sample else axes


def _fold(array: jax.Array, count: int, mapped: bool) -> jax.Array:
    """Give every mapped entry its samples: `(count * batch, ...)`."""
    if not mapped:
        array = jnp.broadcast_to(array, (count, *array.shape))
    return array.reshape(-1, *array.shape[2:])


def _one_by_one(run: Run, along: Sequence[bool], arrays: Sequence[jax.Array]) -> Any:
    def one(moving):
        moving = iter(moving)
        found = [next(moving) if m else a for a, m in zip(arrays, along, strict=True)]
        return run(*found)

    return jax.lax.map(one, [a for a, m in zip(arrays, along, strict=True) if m])
