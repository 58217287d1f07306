"""Kernels inside torch, through an autograd function on the tensors' own memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from refrain.runtime.driver import (
    Kernel,
    Native,
    Request,
    kernel_for,
    rows_a_thread,
)
from refrain.runtime.threads import run_native


def serves(dtype: str) -> str | None:
    """None where kernels can run; else why not."""
    device = torch.get_default_device().type
    if device != "cpu":
        return f"torch's default device is {device}, kernels are for cpu"
    if dtype not in ("float32", "float64"):
        return f"kernels compute in float32 and float64, not in {dtype}"
    return None


def recurrent(
    request: Request,
    inputs: Mapping[str, torch.Tensor],
    variables: Mapping[str, torch.Tensor],
    states: Sequence[torch.Tensor],
) -> tuple[torch.Tensor | None, dict[str, torch.Tensor]]:
    """Run a cell over a batch of sequences; see `refrain.bridge.jax.recurrent`."""
    batch = inputs["x"].shape[0]
    arrays = [*inputs.values(), *variables.values(), *states]
    training = torch.is_grad_enabled() and any(a.requires_grad for a in arrays)
    kernel = kernel_for(replace(request, training=training, rows=rows_a_thread(batch)))
    buffers = kernel.forward.program.inputs
    given = {**inputs, **variables}
    given |= {f"first_{s}": a for s, a in zip(kernel.states, states, strict=False)}
    like = inputs["x"]
    ordered = [
        given[b.name] if b.name in given else like.new_zeros((batch, b.width))
        for b in buffers
    ]
    found = list(_Recurrent.apply(kernel, *ordered))
    y = found.pop(0) if request.sequence else None
    return y, dict(zip(kernel.states, found, strict=True))


class _Recurrent(torch.autograd.Function):
    """A kernel as a differentiable function of all its inputs."""

    @staticmethod
    def forward(ctx: Any, kernel: Kernel, *arguments: torch.Tensor):
        found = _call(kernel.forward, arguments)
        ctx.kernel = kernel
        ctx.save_for_backward(*arguments, found["tape"])
        results = (["y"] if "y" in found else []) + [f"last_{s}" for s in kernel.states]
        return tuple(found[name] for name in results)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *arriving: torch.Tensor):
        kernel = ctx.kernel
        *arguments, tape = ctx.saved_tensors
        names = [b.name for b in kernel.forward.program.inputs]
        given = dict(zip(names, arguments, strict=True)) | {"tape": tape}
        grads = list(arriving)
        if any(b.name == "grad_y" for b in kernel.backward.program.inputs):
            given["grad_y"] = grads.pop(0)
        given |= {
            f"grad_last_{s}": g for s, g in zip(kernel.states, grads, strict=True)
        }
        found = _call(
            kernel.backward, [given[b.name] for b in kernel.backward.program.inputs]
        )
        given["streams"] = found["streams"]
        found |= _call(
            kernel.gathering, [given[b.name] for b in kernel.gathering.program.inputs]
        )
        results = []
        for name, argument in zip(names, arguments, strict=True):
            gradient = found.get(f"grad_{name}")
            results.append(None if gradient is None else gradient.view(argument.shape))
        return None, *results


def _call(native: Native, arguments: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Run one program; the first argument is `(batch, timesteps, ...)`."""
    arrays = [a.detach().contiguous() for a in arguments]
    batch, timesteps = arrays[0].shape[:2]
    for array in arrays:
        if array.device.type != "cpu":
            raise ValueError(f"expected tensors on cpu, received one on {array.device}")
    native.check([_Described(a) for a in arrays], batch, timesteps)
    program = native.program
    results = [
        arrays[0].new_empty(native.shape(b, batch, timesteps)) for b in program.outputs
    ]
    addresses = [a.data_ptr() for a in (*arrays, *results)]
    run_native(native, addresses, batch, timesteps)
    return dict(zip((b.name for b in program.outputs), results, strict=True))


class _Described:
    """A tensor's shape and dtype in NumPy's words."""

    def __init__(self, tensor: torch.Tensor):
        self.shape = tuple(tensor.shape)
        self.dtype = str(tensor.dtype).removeprefix("torch.")
