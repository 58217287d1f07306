"""Kernels inside TensorFlow, through a NumPy function with a gradient of its own.

Arrays cross without a copy; a call costs about 65 µs more than an operation of
TensorFlow's. XLA cannot call out to NumPy, and a saved program has no NumPy function
to call: both take the scan.
"""

# TensorFlow is an extra: types are checked without it too.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import record
from tensorflow.python.framework import ops
from tensorflow.python.ops import control_flow_util
from tensorflow.python.saved_model import save_context

from refrain.bridge.numpy import call_by_name
from refrain.bridge.programs import (
    NO_SECOND_DERIVATIVE,
    Results,
    arguments_of,
    by_state,
    kernel_of,
    run_backward,
    run_forward,
    serves_dtype,
    shapes_of_results,
)
from refrain.errors import KernelError
from refrain.runtime.driver import Request


def serves(dtype: str) -> str | None:
    """None where kernels can run; else why not."""
    others = {d.device_type for d in tf.config.get_visible_devices()} - {"CPU"}
    if others:
        return f"TensorFlow computes on {min(others)}, kernels are for cpu"
    if control_flow_util.GraphOrParentsInXlaContext(ops.get_default_graph()):
        return "XLA compiles this program, and inside TensorFlow it calls no kernels"
    if save_context.in_save_context():
        return "a saved program has to run without refrain"
    return serves_dtype(dtype)


def by_device(
    kernel: Callable[..., Any],
    scan: Callable[..., Any],  # noqa: ARG001 (where there is another device, no bridge)
    arrays: tuple[tf.Tensor, *tuple[Any, ...]],
    required: bool,  # noqa: ARG001
) -> Any:
    """Run the kernel: `serves` has seen that there is no other device."""
    return kernel(*arrays)


@tf.autograph.experimental.do_not_convert
def gradient(
    function: Callable[..., tf.Tensor], arrays: Sequence[tf.Tensor]
) -> list[tf.Tensor]:
    """Derivatives of a function that gives one number, one for each of its arrays."""
    with tf.GradientTape() as tape:
        for array in arrays:
            tape.watch(array)
        found = function(*arrays)
    zero = tf.UnconnectedGradients.ZERO
    # TensorFlow's annotation names another class than it returns.
    return tape.gradient(found, list(arrays), unconnected_gradients=zero)  # pyright: ignore


@tf.autograph.experimental.do_not_convert  # it would rewrite the compiler as well
def recurrent(
    request: Request,
    inputs: Mapping[str, tf.Tensor],
    variables: Mapping[str, tf.Tensor],
    states: Sequence[tf.Tensor],
) -> Results:
    """Run a cell over a batch of sequences; see `refrain.bridge.jax.recurrent`."""
    x = inputs["x"]
    taped = record.could_possibly_record()
    kernel = kernel_of(request, x, training=taped)
    arguments = arguments_of(
        kernel,
        request,
        inputs,
        variables,
        states,
        lambda size: tf.zeros((tf.shape(x)[0], size), x.dtype),
    )
    shapes = shapes_of_results(kernel, x)

    def forward(*arrays: np.ndarray) -> list[np.ndarray]:
        results, tape = run_forward(kernel, call_by_name, arrays)
        return [*results, tape]

    @tf.custom_gradient
    def run(*arguments: tf.Tensor) -> Any:
        *results, tape = _on_numpy(forward, arguments, [*shapes, None])
        tape = tape if taped else None
        return results, lambda *grads: _gradient(request, arguments, tape, grads)

    return by_state(kernel, request, run(*map(tf.convert_to_tensor, arguments)))


def _gradient(
    request: Request,
    arguments: Sequence[tf.Tensor],
    tape: tf.Tensor | None,
    arriving: Sequence[tf.Tensor],
) -> list[tf.Tensor]:
    """The gradient for each argument; without a tape, the cell runs once more.

    There is none where a function was traced before anybody asked for its gradient.
    """
    kernel = kernel_of(request, arguments[0], training=True)
    count = len(arguments)

    def backward(*arrays: np.ndarray) -> list[np.ndarray]:
        arguments, rest = arrays[:count], arrays[count:]
        if tape is None:
            _, saved = run_forward(kernel, call_by_name, arguments)
        else:
            saved, *rest = rest
        grads = run_backward(kernel, call_by_name, arguments, saved, rest)
        return [
            np.zeros_like(a) if g is None else g
            for a, g in zip(arguments, grads, strict=True)
        ]

    @tf.custom_gradient
    def run(*arrays: tf.Tensor) -> Any:
        return _on_numpy(backward, arrays, [a.shape for a in arguments]), _refuse

    saved = [] if tape is None else [tape]
    return run(*arguments, *saved, *arriving)


def _refuse(*_: tf.Tensor):
    raise KernelError(NO_SECOND_DERIVATIVE)


def _on_numpy(
    function: Callable[..., list[np.ndarray]],
    arguments: Sequence[tf.Tensor],
    shapes: Sequence[Any],
) -> list[tf.Tensor]:
    """Call a function of arrays now, or whenever the traced program gets there."""
    if tf.executing_eagerly():
        found = function(*(a.numpy() for a in arguments))
        return [tf.convert_to_tensor(array) for array in found]
    dtypes = [arguments[0].dtype] * len(shapes)
    results = tf.numpy_function(function, arguments, dtypes, stateful=False)
    for result, shape in zip(results, shapes, strict=True):
        result.set_shape(shape)
    return results
