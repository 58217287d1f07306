"""The array library whose bridge is tested, the one that Keras runs on."""

import importlib
from typing import Any

import keras
import numpy as np

NAME = keras.backend.backend()
bridge = importlib.import_module(f"refrain.bridge.{NAME}")


def array(value: np.ndarray) -> Any:
    """The library's own array."""
    return keras.ops.convert_to_tensor(value)


def called(point):
    """What leaves the bridge by name, and gradients for what enters it."""
    groups = point.inputs, point.variables, point.states

    def function(inputs, variables, states):
        y, last, every = bridge.recurrent(
            point.request, inputs, variables, list(states.values())
        )
        found = {f"last_{s}": a for s, a in last.items()}
        found |= {f"every_{s}": a for s, a in every.items()}
        return found if y is None else found | {"y": y}

    return slopes(function, groups, point.arriving)


def slopes(function, groups, arriving):
    """What a function of groups of arrays results in, and the gradients for all.

    Args:
        function: takes one dictionary of arrays a group and returns one.
        groups: dictionaries of NumPy arrays.
        arriving: gradients for the results.

    Returns:
        Results and gradients by name; None for gradients where there are none.
    """
    names = [name for group in groups for name in group]
    values = [value for group in groups for value in group.values()]

    def flat(*arrays):
        rest = iter(arrays)
        return function(*({name: next(rest) for name in group} for group in groups))

    found, grads = _CALL[NAME](flat, values, arriving)
    found = {name: np.asarray(a) for name, a in found.items()}
    if grads is None:
        return found, None
    return found, {n: np.asarray(g) for n, g in zip(names, grads, strict=True)}


def _on_numpy(function, values, _arriving):
    return function(*values), None


def _on_jax(function, values, arriving):
    import jax

    @jax.jit
    def both(values, arriving):
        found, back = jax.vjp(function, *values)
        return found, back(arriving)

    return both(values, arriving)


def _on_torch(function, values, arriving):
    import torch

    tensors = [torch.tensor(v, requires_grad=True) for v in values]
    found = function(*tensors)
    for name, result in found.items():
        result.backward(torch.tensor(arriving[name]), retain_graph=True)
    return {n: r.detach() for n, r in found.items()}, [
        torch.zeros(()) if t.grad is None else t.grad for t in tensors
    ]


def _on_tensorflow(function, values, arriving):
    import tensorflow as tf

    @tf.function
    def both(values, arriving):
        with tf.GradientTape() as tape:
            tape.watch(values)
            found = function(*values)
        return found, tape.gradient(
            found, values, arriving, unconnected_gradients="zero"
        )

    return both(
        [tf.constant(v) for v in values],
        {n: tf.constant(a) for n, a in arriving.items()},
    )


_CALL = {
    "numpy": _on_numpy,
    "jax": _on_jax,
    "torch": _on_torch,
    "tensorflow": _on_tensorflow,
}
