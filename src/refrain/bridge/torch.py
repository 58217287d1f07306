"""Kernels inside torch, through an autograd function on the tensors' own memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from refrain.bridge.programs import (
    NO_SECOND_DERIVATIVE,
    Results,
    arguments_of,
    by_state,
    kernel_of,
    run_backward,
    run_forward,
    serves_dtype,
)
from refrain.errors import KernelError
from refrain.runtime.driver import Kernel, Native, Request
from refrain.runtime.memory import LARGE, empty
from refrain.runtime.openmp import Team, team
from refrain.runtime.threads import run_native


def serves(dtype: str) -> str | None:
    """None where kernels can run; else why not."""
    device = torch.get_default_device().type
    if device != "cpu":
        return f"torch's default device is {device}, kernels are for cpu"
    if torch.compiler.is_exporting():
        return "an exported program has to run without refrain"
    return serves_dtype(dtype)


def by_device(
    kernel: Callable[..., Any],
    scan: Callable[..., Any],
    arrays: tuple[torch.Tensor, *tuple[Any, ...]],
    required: bool,
) -> Any:
    """Run the kernel where the tensors are on the CPU, else the scan.

    Tensors on `meta` have no numbers: Keras asks with them for shapes.
    """
    device = arrays[0].device.type
    if device == "cpu" or (required and device != "meta"):
        return kernel(*arrays)
    return scan(*arrays)


def gradient(
    function: Callable[..., torch.Tensor], arrays: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    """Derivatives of a function that gives one number, one for each of its arrays."""
    leaves = [array.detach().clone().requires_grad_() for array in arrays]
    with torch.enable_grad():
        found = function(*leaves)
    return list(torch.autograd.grad(found, leaves, materialize_grads=True))


def recurrent(
    request: Request,
    inputs: Mapping[str, torch.Tensor],
    variables: Mapping[str, torch.Tensor],
    states: Sequence[torch.Tensor],
) -> Results:
    """Run a cell over a batch of sequences; see `refrain.bridge.jax.recurrent`."""
    x = inputs["x"]
    arrays = [*inputs.values(), *variables.values(), *states]
    training = torch.is_grad_enabled() and any(a.requires_grad for a in arrays)
    kernel = kernel_of(request, x, training)
    arguments = arguments_of(
        kernel,
        request,
        inputs,
        variables,
        states,
        lambda size: x.new_zeros((len(x), size)),
    )
    return by_state(kernel, request, _Recurrent.apply(kernel, *arguments))


class _Recurrent(torch.autograd.Function):
    """A kernel as a differentiable function of all its inputs."""

    @staticmethod
    def forward(ctx: Any, kernel: Kernel, *arguments: torch.Tensor):
        results, tape = run_forward(kernel, _call, arguments)
        ctx.kernel, ctx.spent = kernel, False
        ctx.save_for_backward(*arguments, tape)
        return tuple(results)

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *arriving: torch.Tensor
    ):
        *arguments, tape = ctx.saved_tensors
        if ctx.spent:  # an earlier gradient has been written over the tape
            _, tape = run_forward(ctx.kernel, _call, arguments)
        ctx.spent = bool(ctx.kernel.backward.over)
        return None, *_Gradient.apply(ctx.kernel, *arguments, tape, *arriving)


class _Gradient(torch.autograd.Function):
    """The gradient of a kernel, which knows that it has none itself."""

    @staticmethod
    def forward(ctx: Any, kernel: Kernel, *tensors: torch.Tensor):  # noqa: ARG004
        count = len(kernel.forward.program.inputs)
        arguments, (tape, *arriving) = tensors[:count], tensors[count:]
        return tuple(run_backward(kernel, _call, arguments, tape, arriving))

    @staticmethod
    def backward(ctx: Any, *_: torch.Tensor):  # noqa: ARG004
        raise KernelError(NO_SECOND_DERIVATIVE)


@cache
def openmp_of_torch() -> Team | None:
    """The threads that torch's own operations run on; None where they are not found."""
    place = Path(torch.__file__).parent
    return team(place / "lib", place.parent / "torch.libs")


def _team(openmp: Team | None) -> Team | None:
    """As many of torch's threads as torch may use."""
    most = torch.get_num_threads()
    return openmp and (lambda f, job, count: openmp(f, job, min(count, most)))


def _call(native: Native, given: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    for name, tensor in given.items():
        if tensor.device.type != "cpu":
            raise KernelError(
                f"{name}: expected a tensor on cpu, received one on {tensor.device}"
            )
    inputs = [given[b.name].resolve_neg().contiguous() for b in native.program.inputs]
    batch, timesteps = inputs[0].shape[:2]
    native.check(inputs, batch, timesteps)
    outputs = native.program.outputs
    shapes = [buffer.shape(batch, timesteps) for buffer in outputs]
    results = [_empty(shape, inputs[0].dtype) for shape in shapes]
    for argument, result in native.over.items():
        results[result] = inputs[argument]
    addresses = [tensor.data_ptr() for tensor in (*inputs, *results)]
    run_native(native, addresses, batch, timesteps, _team(openmp_of_torch()))
    return dict(zip((b.name for b in outputs), results, strict=True))


def _empty(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """A tensor of any content; torch would give back the memory of a large one."""
    if math.prod(shape) * dtype.itemsize < LARGE:
        return torch.empty(shape, dtype=dtype)
    return torch.from_numpy(empty(shape, np.dtype(str(dtype).removeprefix("torch."))))
