"""What all bridges share: what enters a kernel, and how its programs follow each other.

A bridge brings `call(native, given)`: it runs one program in its array library, on
arrays by buffer name, and returns the program's results by buffer name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from refrain.errors import KernelError
from refrain.runtime.driver import Kernel, Native, Request, kernel_for
from refrain.runtime.processors import rows_a_thread

Array = Any
# What bridges say to whoever differentiates a kernel's gradient.
NO_SECOND_DERIVATIVE = (
    "the gradient of a native kernel has no derivative of its own.\n"
    "  Hint: with REFRAIN_KERNELS=off layers run a scan, which has."
)

Call = Callable[[Native, Mapping[str, Array]], Mapping[str, Array]]


def serves_dtype(dtype: str) -> str | None:
    """None where kernels compute in a dtype; else why not."""
    if dtype in ("float32", "float64"):
        return None
    return f"kernels compute in float32 and float64, not in {dtype}"


def kernel_of(request: Request, x: Array, training: bool) -> Kernel:
    """The kernel for a request, fitted to the batch where its size is a number."""
    batch = x.shape[0]
    rows = rows_a_thread(batch if isinstance(batch, int) else None)
    return kernel_for(replace(request, training=training, rows=rows))


def arguments_of(
    kernel: Kernel,
    request: Request,
    inputs: Mapping[str, Array],
    variables: Mapping[str, Array],
    states: Sequence[Array],
    zeros: Callable[[int], Array],
) -> list[Array]:
    """All that enters a kernel, checked, in the order of its forward program.

    Args:
        kernel: the kernel.
        request: what it was wanted for.
        inputs: `x` `(batch, timesteps, features)`, or `(batch, timesteps, 1)` for a
            `lookup`; whatever else the changes of the request read, by leaf name:
            dropout masks `(batch, size)`; drawn zoneout `(batch, timesteps, size)`;
            `mask` and `resets` `(batch, timesteps)`, 1 where a step counts and where a
            sequence begins anew.
        variables: the cell's variables by name, `start.<state>` among them where
            resets lead to trained states.
        states: first states, each `(batch, size)`.
        zeros: makes `(batch, size)` of a size, for the output before the first step.

    Raises:
        KernelError: an array is missing, or its shape or dtype is not the expected one.
    """
    names = request.sized.cell.states
    if len(states) != len(names):
        raise KernelError(f"expected {len(names)} states, received {len(states)}")
    x = inputs["x"]
    if len(x.shape) != 3:
        width = 1 if request.lookup else request.features
        raise KernelError(
            f"x: expected (batch, timesteps, {width}), received {tuple(x.shape)}"
        )
    given = {**inputs, **variables}
    given |= {f"first_{s}": a for s, a in zip(names, states, strict=True)}
    held = [f"first_{s}" for s in kernel.states[len(names) :]]
    shapes = {v.name: v.shape for v in request.sized.variables(request.features)}
    shapes |= {v.name: v.shape for v in request.sized.starts()}
    arguments = []
    for buffer in kernel.forward.program.inputs:
        name = buffer.name
        if name in held:
            given[name] = zeros(buffer.width)
        if name not in given:
            raise KernelError(f"{name}: expected an array, received none")
        shape = shapes[name] if name in shapes else _shape(buffer, x)
        _check(name, given[name], shape, request.dtype)
        arguments.append(given[name])
    return arguments


def _shape(buffer: Any, x: Array) -> tuple[int | None, ...]:
    """The shape of a buffer; None for sizes that are not known before the program runs.

    TensorFlow traces programs for batches of any size.
    """
    sizes = [-1 if size is None else size for size in x.shape[:2]]
    return tuple(None if n == -1 else n for n in buffer.shape(*sizes))


def _check(name: str, array: Array, shape: tuple, dtype: str) -> None:
    found = tuple(array.shape)
    if shape[-1:] == (1,) and len(found) == len(shape) - 1:  # mask: one number a step
        shape = shape[:-1]
    fits = len(found) == len(shape) and all(
        a == b or None in (a, b) for a, b in zip(found, shape, strict=True)
    )
    kind = getattr(array.dtype, "name", str(array.dtype).removeprefix("torch."))
    if not fits or kind != dtype:
        raise KernelError(
            f"{name}: expected {dtype} of shape {shape}, received {kind} of shape "
            f"{found}"
        )


def run_forward(
    kernel: Kernel, call: Call, arguments: Sequence[Array]
) -> tuple[list[Array], Array]:
    """Run the cell; return the results and the tape that the gradient reads."""
    found = call(kernel.forward, _by_name(kernel, arguments))
    return [found[name] for name in results_of(kernel)], found["tape"]


def run_backward(
    kernel: Kernel,
    call: Call,
    arguments: Sequence[Array],
    tape: Array,
    arriving: Sequence[Array],
) -> list[Array | None]:
    """Run the gradient.

    Args:
        kernel: one that was made for training.
        call: runs a program.
        arguments, tape: of the forward run.
        arriving: gradients of a loss for the results of the forward run.

    Returns:
        The loss's gradient for each argument; None for masks.
    """
    if kernel.backward is None or kernel.gathering is None:
        raise KernelError(f"{kernel.name} was not made for training")
    given = {**_by_name(kernel, arguments), "tape": tape}
    names = results_of(kernel)
    given |= {f"grad_{n}": g for n, g in zip(names, arriving, strict=True)}
    found = dict(call(kernel.backward, given))
    found |= call(kernel.gathering, {**given, **found})
    grads = []
    for name, argument in _by_name(kernel, arguments).items():
        gradient = found.get(f"grad_{name}")
        shape = argument.shape
        grads.append(None if gradient is None else gradient.reshape(shape))
    return grads


def per_sample(buffer: Any) -> bool:
    """Whether a buffer has numbers for each sample; those of weights have one axis."""
    return len(buffer.shape(1, 1)) > 1


def sums_samples(native: Native) -> bool:
    """Whether a program's results are sums over the samples: gradients of weights."""
    return native.tasks is not None


def results_of(kernel: Kernel) -> list[str]:
    """Names of what a forward run results in: sequences where wanted, last states."""
    return [*kernel.forward.sequences, *(f"last_{state}" for state in kernel.states)]


def shapes_of_results(kernel: Kernel, x: Array) -> list[tuple[int | None, ...]]:
    """Shapes of the results for an input; sizes that it does not know are None."""
    buffers = {b.name: b for b in kernel.forward.program.outputs}
    return [_shape(buffers[n], x) for n in results_of(kernel)]


class Results(NamedTuple):
    """What a bridge returns.

    Attributes:
        y: outputs `(batch, timesteps, units)`; None where only the last is wanted.
        last: last states by name, and the last output as `held` where it is no state.
        every: the states after each step by name, `(batch, timesteps, size)` each;
            empty where they are not wanted.
    """

    y: Array | None
    last: dict[str, Array]
    every: dict[str, Array]


def by_state(kernel: Kernel, request: Request, results: Sequence[Array]) -> Results:
    """Results as a bridge returns them."""
    found = dict(zip(results_of(kernel), results, strict=True))
    y = found.get("y")
    names = request.sized.cell.states if request.every_state else ()
    return Results(
        y,
        {s: found[f"last_{s}"] for s in kernel.states},
        # A state that leaves as the output leaves once.
        {s: found.get(f"every_{s}", y) for s in names},
    )


def _by_name(kernel: Kernel, arguments: Sequence[Array]) -> dict[str, Array]:
    names = [b.name for b in kernel.forward.program.inputs]
    return dict(zip(names, arguments, strict=True))
