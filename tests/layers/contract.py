"""Compare a layer of ours with Keras's own: the same weights, inputs and gradients.

Works on the backend that Keras runs on, JAX, torch or TensorFlow.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import keras
import numpy as np
from keras import ops, tree


@dataclass(frozen=True)
class Case:
    """A layer, made from a namespace of layers, and what it is called with.

    Attributes:
        make: makes the layer from `keras.layers` or from ours.
        batch, timesteps, features: the shape of the input.
        mask: None; `ragged`, padded at the end; `holes`, at any step but the first;
            `rows`, ragged with one row that is wholly masked; `any`, at any step.
        initial_state: with random first states.
        training: dropout acts.
    """

    make: Callable[[ModuleType], keras.Layer]
    batch: int = 3
    timesteps: int = 6
    features: int = 5
    mask: str | None = None
    initial_state: bool = False
    training: bool = False


class Trial:
    """A layer with random weights and what it is called with; the same for a case."""

    def __init__(self, namespace: ModuleType, case: Case):
        rng = np.random.default_rng(case.batch + 31 * case.timesteps + case.features)
        self.layer = case.make(namespace)
        self.layer.build((case.batch, case.timesteps, case.features))
        self.layer.set_weights(
            [random_weight(rng, w.shape) for w in self.layer.weights]
        )
        self.x = real(rng, case.batch, case.timesteps, case.features)
        self.states = []
        if case.initial_state:
            self.states = initial_states(self.layer, case.batch, rng)
        self.call: dict[str, Any] = {"training": case.training}
        if case.mask:
            self.call["mask"] = mask_of(case.mask, case.batch, case.timesteps)

    def outputs(self) -> dict[str, np.ndarray]:
        """What the layer returns where nobody asks for gradients."""
        with without_gradients():
            found = self.layer(self.x, initial_state=self.states or None, **self.call)
        return {f"output {k}": array(o) for k, o in enumerate(tree.flatten(found))}

    def gradients(self) -> dict[str, np.ndarray]:
        """Outputs, and the slope of a random sum of them for all that enters."""
        return slopes_of(self.layer, self.x, self.states, self.call)


def slopes_of(layer: Any, x: Any, states: Any, call: dict[str, Any]) -> dict[str, Any]:
    """What a layer returns, and the slope of a random sum of that for all that enters.

    Args:
        layer: a Keras layer with `initial_state` in its call.
        x: what it reads.
        states: its first states; none for an empty list.
        call: further arguments of the call.
    """
    slopes = {"jax": _on_jax, "torch": _on_torch, "tensorflow": _on_tensorflow}
    outputs, grads = slopes[keras.backend.backend()](layer, x, states, call)
    names = ["x", *(f"state {k}" for k, _ in enumerate(tree.flatten(states)))]
    names += [f"{k} {v.name}" for k, v in enumerate(layer.trainable_variables)]
    found = {f"output {k}": array(o) for k, o in enumerate(outputs)}
    for name, gradient in zip(names, grads, strict=True):
        found[f"gradient of {name}"] = array(gradient)
    return found


def assert_same(
    found: dict[str, np.ndarray],
    expected: dict[str, np.ndarray],
    tolerance: float = 1e-5,
) -> None:
    """Within a tolerance of the largest number of each array."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype, name
        value = np.asarray(value, "float64")
        close = tolerance * max(1.0, np.abs(value).max(initial=0.0))
        np.testing.assert_allclose(
            np.asarray(found[name], "float64"),
            value,
            rtol=0,
            atol=close,
            err_msg=name,
            strict=True,
        )


def random_weight(rng, shape: tuple[int, ...]) -> np.ndarray:
    """Distinct numbers, so small that a long sequence stays tame."""
    rows = shape[0] if len(shape) > 1 else 4
    return rng.normal(size=shape, scale=0.7 / rows**0.5).astype("float32")


def real(rng, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype("float32")


def mask_of(kind: str, batch: int, timesteps: int) -> np.ndarray:
    rng = np.random.default_rng(7)
    if kind == "holes":
        mask = rng.random((batch, timesteps)) < 0.6
        mask[:, 0] = True
        return mask
    if kind == "any":
        return rng.random((batch, timesteps)) < 0.6
    lengths = rng.integers(1, timesteps + 1, size=(batch, 1))
    mask = np.arange(timesteps) < lengths
    if kind == "rows":
        mask[batch // 2] = False
    return mask


def initial_states(layer: Any, batch: int, rng) -> list[Any]:
    """Random states in the structure that the layer takes."""
    layer = getattr(layer, "inner", layer)
    two_ways = hasattr(layer, "forward_layer")
    parts = [layer.forward_layer, layer.backward_layer] if two_ways else [layer]
    zeros = [state for part in parts for state in part.get_initial_state(batch)]
    return tree.map_structure(lambda z: real(rng, *z.shape), zeros)


def copy_weights(source: keras.Layer, target: keras.Layer) -> None:
    target.set_weights([array(w.value) for w in source.weights])


def array(tensor: Any) -> np.ndarray:
    return ops.convert_to_numpy(tensor)


def flat(found):
    return [array(f) for f in keras.tree.flatten(found)]


def close(found, expected, error=2e-6):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=error)


def without_gradients() -> Any:
    if keras.backend.backend() != "torch":
        return nullcontext()
    import torch

    return torch.no_grad()


def _on_jax(layer, x, states, call):
    import jax

    def loss(x, states, trainable):
        values = list(zip(layer.trainable_variables, trainable, strict=True))
        with keras.StatelessScope(state_mapping=values):
            outputs = tree.flatten(layer(x, initial_state=states or None, **call))
            return _random_sum(outputs), outputs

    slope = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True))
    trainable = [v.value for v in layer.trainable_variables]
    (_, outputs), grads = slope(x, states, trainable)
    return outputs, tree.flatten(grads)


def _on_torch(layer, x, states, call):
    import torch

    x, *states = tree.map_structure(
        lambda a: torch.tensor(a, requires_grad=True), [x, *states]
    )
    before = [array(v.value).copy() for v in layer.non_trainable_variables]
    outputs = tree.flatten(layer(x, initial_state=states or None, **call))
    trainable = [v.value for v in layer.trainable_variables]
    given = [x, *tree.flatten(states), *trainable]
    grads = torch.autograd.grad(
        _random_sum(outputs), given, allow_unused=True, materialize_grads=True
    )
    for variable, value in zip(layer.non_trainable_variables, before, strict=True):
        variable.assign(value)  # as on JAX, where the call changes nothing
    return outputs, grads


def _on_tensorflow(layer, x, states, call):
    import tensorflow as tf

    x, *states = tree.map_structure(tf.convert_to_tensor, [x, *states])
    before = [array(v.value).copy() for v in layer.non_trainable_variables]
    given = [x, *tree.flatten(states)]
    with tf.GradientTape() as tape:
        tape.watch(given)
        outputs = tree.flatten(layer(x, initial_state=states or None, **call))
        loss = _random_sum(outputs)
    given += [v.value for v in layer.trainable_variables]
    grads = tape.gradient(loss, given, unconnected_gradients="zero")
    for variable, value in zip(layer.non_trainable_variables, before, strict=True):
        variable.assign(value)  # as on JAX, where the call changes nothing
    return outputs, grads


def _random_sum(outputs) -> Any:
    rng = np.random.default_rng(1)
    return sum(ops.sum(ops.multiply(o, real(rng, *o.shape))) for o in outputs)
