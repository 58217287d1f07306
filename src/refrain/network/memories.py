"""Layers that look at several steps, as equations of one step with states of their own.

A causal convolution remembers the last steps; what is gathered over a whole sequence
is gathered so far.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from refrain.cells.define import find_activation
from refrain.graph import functions as f
from refrain.graph.node import Node
from refrain.network.records import Layer

if TYPE_CHECKING:
    from refrain.network.compose import Step

Memory = Callable[["Step", str, Layer, Node], Node]
LONGEST = 128  # steps that a convolution may look back


def _convolution(step: Step, name: str, layer: Layer, x: Node) -> Node:
    if layer.config["padding"] != "causal":
        raise layer.refuse(
            f"padding={layer.config['padding']!r} looks at steps to come; "
            "expected 'causal'"
        )
    layer.expect("data_format", "channels_last")
    layer.expect("groups", 1)
    if layer.config["strides"] not in (1, (1,), [1]):
        raise layer.refuse("its strides leave steps out")
    kernel, *bias = layer.weights
    (apart,) = layer.config["dilation_rate"]
    back = apart * (len(kernel) - 1)
    if back > LONGEST:
        raise layer.refuse(f"it looks back {back} steps; expected {LONGEST} at most")
    past = [x]
    for k in range(1, back + 1):
        step.states[f"{name}_past{k}"] = past[-1]
        past.append(step.leaf(f"{name}_past{k}_prev", (step.size(x),)))
    total = step.weight(f"{name}_bias", bias[0]) if bias else 0.0
    # The last row of the kernel meets the step that is now.
    for k, (matrix, value) in enumerate(zip(kernel[::-1], past[::apart], strict=True)):
        total = value @ step.weight(f"{name}_kernel{k}", matrix) + total
    return find_activation(layer.config.get("activation"))(total)


def _mean(step: Step, name: str, layer: Layer, x: Node) -> Node:
    mean, count = _before(step, name, layer, x, "mean", "count")
    step.states[f"{name}_count"] = count + 1.0
    step.states[f"{name}_mean"] = mean + (x - mean) / (count + 1.0)
    return step.states[f"{name}_mean"]


def _largest(step: Step, name: str, layer: Layer, x: Node) -> Node:
    largest, begun = _before(step, name, layer, x, "largest", "begun")
    # States begin with zero, which is no step's value.
    step.states[f"{name}_begun"] = f.maximum(begun, 1.0)
    step.states[f"{name}_largest"] = f.where(begun > 0.0, f.maximum(largest, x), x)
    return step.states[f"{name}_largest"]


def _before(
    step: Step, name: str, layer: Layer, x: Node, *states: str
) -> tuple[Node, ...]:
    """States of the layer before the step, each a vector like `x`."""
    layer.expect("data_format", "channels_last")
    layer.expect("keepdims", False)
    size = (step.size(x),)
    return tuple(step.leaf(f"{name}_{state}_prev", size) for state in states)


MEMORIES: dict[str, Memory] = {
    "Conv1D": _convolution,
    "GlobalAveragePooling1D": _mean,
    "GlobalMaxPooling1D": _largest,
}
