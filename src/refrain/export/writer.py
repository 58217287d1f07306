"""Writer: nodes and constants of an ONNX graph, with names of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

Name = str
Size = int | str | None  # a number, the name of a dynamic one, or unknown

FLOAT, BOOL = TensorProto.FLOAT, TensorProto.BOOL
INT32, INT64 = TensorProto.INT32, TensorProto.INT64


class Writer:
    """Collects an ONNX graph; every node and constant that it adds gets a new name.

    Args:
        outer: the graph that this one is the body of; it holds all constants, and a
            body may read whatever the outer graph has computed.
    """

    def __init__(self, outer: Writer | None = None):
        self.nodes: list[NodeProto] = []
        self.outer = outer
        self._constants: dict[Any, tuple[Name, np.ndarray]] = {}
        self._names: dict[str, int] = {}

    def name(self, kind: str) -> Name:
        """A name that nothing else has."""
        if self.outer is not None:
            return self.outer.name(kind)
        self._names[kind] = self._names.get(kind, 0) + 1
        # No layer of Keras's has a name with a slash.
        return f"/{kind}_{self._names[kind]}"

    def add(self, op: str, *inputs: Name, count: int = 1, **attributes: Any) -> Any:
        """Add a node; the name of its result, or a list of `count` names."""
        outputs = [self.name(op.lower()) for _ in range(count)]
        self.nodes.append(helper.make_node(op, inputs, outputs, **attributes))
        return outputs[0] if count == 1 else outputs

    def rename(self, value: Name, name: Name) -> None:
        """Let a value be known by a given name as well."""
        self.nodes.append(helper.make_node("Identity", [value], [name]))

    def constant(self, array: Any, kind: str = "constant") -> Name:
        """The name of an array; equal arrays have one name."""
        if self.outer is not None:
            return self.outer.constant(array, kind)
        array = np.asarray(array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = (self.name(kind), array)
        return self._constants[key][0]

    def number(self, value: float) -> Name:
        """The name of a float32 number."""
        return self.constant(np.float32(value), "number")

    def integers(self, *values: int) -> Name:
        """The name of a vector of integers."""
        return self.constant(np.array(values, np.int64), "integers")

    def graph(
        self, name: str, inputs: Sequence[Any], outputs: Sequence[Any]
    ) -> GraphProto:
        """The finished graph."""
        constants = [
            numpy_helper.from_array(array, known)
            for known, array in self._constants.values()
        ]
        return helper.make_graph(self.nodes, name, inputs, outputs, constants)


def value_info(name: Name, shape: Sequence[Size], dtype: int = FLOAT) -> Any:
    """A declaration of an input or output."""
    return helper.make_tensor_value_info(name, dtype, shape)
